"""docs/mrjob.cloud.conf has only options that mrjob's runners know, and the locked version of Polars."""

from importlib.metadata import version

from mrjob.conf import load_opts_from_mrjob_conf
from mrjob.dataproc import DataprocJobRunner
from mrjob.emr import EMRJobRunner

from tests.conftest import ROOT


def test_the_runners_know_every_option() -> None:
    for runner in (EMRJobRunner, DataprocJobRunner):
        ((_, options),) = load_opts_from_mrjob_conf(runner.alias, str(ROOT / "docs" / "mrjob.cloud.conf"))
        assert options["num_core_instances"] == 3
        assert not options.keys() - runner.OPT_NAMES
        assert any(f"polars=={version('polars')}" in command for command in options["bootstrap"])
