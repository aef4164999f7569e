from fercli.tables import format_table


def test_columns_of_numbers_stand_to_the_right():
    table = format_table(["name", "ratio"], [["a", "0.65"], ["bc", "4.86e-05"], ["d", "-"]])
    assert table.splitlines() == [
        "name     ratio",
        "a         0.65",
        "bc    4.86e-05",
        "d            -",
    ]
