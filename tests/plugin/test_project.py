"""The fixture ``scf_project`` and the ini option of its name."""

from __future__ import annotations

import pytest

SERVERLESS = """
component: scf
name: hello
inputs:
  src: ./src
  runtime: Python3.6
"""
TEST = """
def test_hello(scf_project):
    assert scf_project["hello"].invoke().return_value == "hello"
"""


@pytest.fixture
def written(pytester: pytest.Pytester) -> pytest.Pytester:
    pytester.makefile(".yml", serverless=SERVERLESS)
    pytester.mkdir("src").joinpath("index.py").write_text("def main_handler(event, context):\n    return 'hello'\n")
    pytester.makepyfile(TEST)
    return pytester


def test_the_functions_by_their_names(written: pytest.Pytester) -> None:
    written.makeini("[pytest]\nscf_project = serverless.yml\n")
    written.runpytest("-p", "no:randomly").assert_outcomes(passed=1)


def test_it_is_not_said_which(written: pytest.Pytester) -> None:
    result = written.runpytest()
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["*name the project file in the ini option scf_project*"])


def test_a_file_that_is_refused(written: pytest.Pytester) -> None:
    written.makeini("[pytest]\nscf_project = serverless.yml\n")
    written.makefile(".yml", serverless=SERVERLESS.replace("./src", "./none"))
    result = written.runpytest()
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["*serverless.yml, line 4: inputs.src: there is no*"])


def test_a_layer_that_is_not_there_is_told_once(written: pytest.Pytester) -> None:
    written.makefile(".yml", serverless=SERVERLESS + "  layers: [{name: libs, version: 3}]\n")
    written.makepyfile("def test_hello(scf_runtime):\n    scf_runtime.deploy_project('serverless.yml')")
    result = written.runpytest()
    result.stdout.fnmatch_lines(["*serverless.yml, line *: inputs.layers[[]0[]]: There is no layer libs: publish it *"])
    result.stdout.no_fnmatch_line("*During handling of the above*")


def test_layers_of_the_configuration(written: pytest.Pytester) -> None:
    (written.path / "libs").mkdir()
    (written.path / "libs" / "greetings.py").write_text("HELLO = 'hello from the layer'\n")
    written.makepyfile(
        """
        def handler(event, context):
            import greetings
            return greetings.HELLO

        def test_it(scf_runtime):
            for each in ("libs", ("libs", 3)):
                assert scf_runtime.deploy(handler, layers=[each]).invoke().return_value == "hello from the layer"
        """
    )
    written.makeini("[pytest]\nscf_layers =\n    libs = libs\n")
    written.runpytest("test_layers_of_the_configuration.py").assert_outcomes(passed=1)
    written.makeini("[pytest]\nscf_layers = libs\n")
    result = written.runpytest("test_layers_of_the_configuration.py")
    result.stderr.fnmatch_lines(["*scf_layers: 'libs' is no line of NAME = PATH*"])
