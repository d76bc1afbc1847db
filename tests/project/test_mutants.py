"""The patches of `make mutants` fit the code as it is, and name tests that there are."""

import ast
import subprocess
from pathlib import Path

import pytest
from django.conf import settings

from tests.mutants.run import mutants

MUTANTS = [pytest.param(mutant, id=mutant.path.stem) for mutant in mutants()]


@pytest.mark.parametrize("mutant", MUTANTS)
def test_every_mutant_applies_and_names_tests_that_exist(mutant):
    command = ["git", "apply", "--check", str(mutant.path)]
    checked = subprocess.run(command, cwd=settings.BASE_DIR, capture_output=True, text=True)
    assert not checked.stderr
    for test in mutant.tests:
        path, _, name = test.partition("::")
        tree = ast.parse((Path(settings.BASE_DIR) / path).read_text())
        names = {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}
        assert name.partition("[")[0] in names, test
