"""A method of a test case of Django, run as unittest does."""

import unittest


def run(case, test):
    """Runs `test` as the only test of a class derived from `case`; its failure is raised."""
    result = unittest.TestResult()
    # A suite sets up the class, too, which opens a transaction of its own.
    unittest.TestSuite([type(case.__name__, (case,), {"test": test})("test")]).run(result)
    for _, trace in result.errors + result.failures:
        raise AssertionError(trace)
    assert result.testsRun == 1
