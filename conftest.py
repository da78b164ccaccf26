# pytest takes this list from the topmost conftest.py only.
pytest_plugins = ["pytester"]
