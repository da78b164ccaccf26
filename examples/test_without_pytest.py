import subprocess
import sys
from pathlib import Path


def test_the_script_runs():
    script = Path(__file__).parent / "without_pytest.py"
    ran = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, timeout=60)
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.startswith("FINISHED 200 END\n")
