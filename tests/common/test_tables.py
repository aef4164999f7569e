from fercli.common.tables import format_table


def test_columns_of_numbers_stand_to_the_right():
    table = format_table(["name", "ratio"], [["a", "0.65"], ["bc", "4.86e-05"], ["d", "-"]])
    assert table.splitlines() == [
        "name     ratio",
        "a         0.65",
        "bc    4.86e-05",
        "d            -",
    ]


def test_no_number_is_a_dash():
    assert format_table(["precision"], [[float("nan")], [0.5]]).splitlines()[1:] == [
        "        -",
        "    0.500",
    ]
