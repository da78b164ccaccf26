"""Modules that the cloud's older runtimes come with, and a machine of one's own does not.

From the vendor's pages on the environments of its runtimes (tencentyun/qcloud-documents,
``代码开发/Python/环境说明.md`` and ``代码开发/Node.js/环境说明.md``): Python 2.7 and 3.6 have libraries built in, and
later ones have none; so it is with Node.js up to 12.16, and from 14.18 on. Left out are those that only other libraries
import.
"""

from __future__ import annotations

import re

#: the package of PyPI, by the name that code imports
_PYTHON = {
    "MySQLdb": "mysqlclient",
    "PIL": "Pillow",
    "absl": "absl-py",
    "bleach": "bleach",
    "certifi": "certifi",
    "cffi": "cffi",
    "chardet": "chardet",
    "cryptography": "cryptography",
    "dicttoxml": "dicttoxml",
    "google": "protobuf",
    "grpc": "grpcio",
    "html5lib": "html5lib",
    "idna": "idna",
    "iniparse": "iniparse",
    "markdown": "Markdown",
    "numpy": "numpy",
    "psycopg2": "psycopg2-binary",
    "pycurl": "pycurl",
    "pymysql": "PyMySQL",
    "pytz": "pytz",
    "qcloud_cos": "cos-python-sdk-v5",
    "qcloud_cos_v5": "cos-python-sdk-v5",
    "qcloud_image": "qcloud-image",
    "qcloudsms_py": "qcloudsms-py",
    "requests": "requests",
    "serverless_db_sdk": "serverless-db-sdk",
    "six": "six",
    "tencentcloud": "tencentcloud-sdk-python",
    "tencentserverless": "tencentserverless",
    "tensorflow": "tensorflow",
    "termcolor": "termcolor",
    "urllib3": "urllib3",
    "werkzeug": "Werkzeug",
}
_NODE = frozenset(
    (
        *("base64-js", "buffer", "cos-nodejs-sdk-v5", "crypto-browserify", "ieee754", "imagemagick", "isarray"),
        *("jmespath", "lodash", "microtime", "puppeteer", "qcloudapi-sdk", "request", "sax"),
        *("scf-nodejs-serverlessdb-sdk", "tencentcloud-sdk-nodejs", "uuid", "xml2js", "xmlbuilder"),
    )
)
#: names that packages of PyPI do not have
_RENAMED = {"qcloud_cos_v5": "qcloud_cos"}
_MISSING = re.compile(r"No module named '([\w.]+)'|Cannot find module '((?:@[\w.-]+/)?[\w.-]+)[^']*'")
_RUNTIME = re.compile(r"(Python|Nodejs)(\d+)\.(\d+)")


def hint(runtime: str, message: str) -> str | None:
    """What to do about a module that is missing here and that the cloud has, or had: a clause; None: it is none."""
    named, missing = _RUNTIME.fullmatch(runtime), _MISSING.search(message)
    if named is None or missing is None:
        return None
    version = int(named[2]), int(named[3])
    if named[1] == "Python":
        return _python(runtime, version, (missing[1] or "").partition(".")[0])
    return _node(runtime, version, missing[2] or "")


def _python(runtime: str, version: tuple[int, int], module: str) -> str | None:
    package = _PYTHON.get(module)
    if package is None:
        return None
    if version > (3, 6):
        return (
            f"the cloud has {module} built into its Python3.6, and nothing into {runtime}: ship {package} with the "
            "code, or in a layer (deploy(..., layers=[DIRECTORY]))"
        )
    renamed = _RENAMED.get(module)
    also = f", with a {module}.py that says `from {renamed} import *`" if renamed else ""
    where = ", where it has this name too once there is a bucket (scf_runtime.cos(...))" if renamed else ""
    beside = f"install it beside the tests (pip install {package}){where}, or "
    return (
        f"the cloud's {runtime} has {module} built in, and this machine has not: {beside}put {package} into a "
        f"layer (deploy(..., layers=[DIRECTORY])){also}"
    )


def _node(runtime: str, version: tuple[int, int], module: str) -> str | None:
    if module not in _NODE:
        return None
    if version > (12, 16):
        return (
            f"the cloud has {module} built into its Nodejs12.16, and nothing into {runtime}: ship it with the code, or "
            "in a layer (deploy(..., layers=[DIRECTORY]))"
        )
    return (
        f"the cloud's {runtime} has {module} built in, and this machine has not: npm install {module} in a directory "
        "of the tests, and give that as a layer (deploy(..., layers=[DIRECTORY]))"
    )
