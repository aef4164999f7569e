"""Evaluation: hits, misses and false alarms of cascades on annotated images."""

from fercli.cascade.evaluation.curves import Curve as Curve
from fercli.cascade.evaluation.curves import average_precision as average_precision
from fercli.cascade.evaluation.curves import curve_of as curve_of
from fercli.cascade.evaluation.evaluate import Ranking as Ranking
from fercli.cascade.evaluation.evaluate import evaluate as evaluate
from fercli.cascade.evaluation.evaluate import evaluate_files as evaluate_files
from fercli.cascade.evaluation.matching import CenterRule as CenterRule
from fercli.cascade.evaluation.matching import IouRule as IouRule
from fercli.cascade.evaluation.matching import MatchRule as MatchRule
from fercli.cascade.evaluation.matching import match_rule as match_rule
from fercli.cascade.evaluation.report import prepare_report_folder as prepare_report_folder
from fercli.cascade.evaluation.report import report_text as report_text
from fercli.cascade.evaluation.report import save_report as save_report
from fercli.cascade.evaluation.report import summary as summary
from fercli.cascade.evaluation.results import CascadeEvaluation as CascadeEvaluation
from fercli.cascade.evaluation.results import CascadeResult as CascadeResult
