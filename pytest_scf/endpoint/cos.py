"""COS over HTTP, for its official SDK: objects of buckets in memory. Signatures are not checked.

What the SDK's calls for objects, copies, uploads in parts, deletions and lists send is answered; anything else of COS
is refused with 501 NotImplemented, which names it.
"""

from __future__ import annotations

import itertools
import re
import threading
import uuid
import xml.etree.ElementTree as ElementTree
from dataclasses import dataclass, field
from datetime import datetime, timezone
from email.utils import formatdate
from urllib.parse import parse_qsl, unquote
from xml.sax.saxutils import escape

from pytest_scf.endpoint.http_server import HttpRequest, HttpResponse
from pytest_scf.platform.buckets import COMPLETE, COPY, PUT, Bucket, Buckets, StoredObject, etag_of

#: headers of an object that are kept with it, beside x-cos-meta-
_KEPT = ("content-type", "cache-control", "content-disposition", "content-encoding", "content-language", "expires")
#: one range, as RFC 9110 has it; what is none is ignored, and so are several
_RANGE = re.compile(r"bytes=(?:(\d+)-(\d*)|-(\d+))", re.ASCII)


class CosError(Exception):
    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.code = code


@dataclass
class _Upload:
    bucket: Bucket
    key: str
    headers: dict[str, str]
    parts: dict[int, tuple[bytes, str]] = field(default_factory=dict)


class CosService:
    """``answer`` is what an ``HttpServer`` serves; the bucket is the first part of the Host, or else ``only``."""

    def __init__(self, buckets: Buckets, only: Bucket | None = None) -> None:
        self._buckets = buckets
        self._only = only
        self._lock = threading.Lock()
        self._uploads: dict[str, _Upload] = {}
        self._numbers = itertools.count(1)

    def answer(self, request: HttpRequest) -> HttpResponse:
        path, _, query_text = request.target.partition("?")
        query = dict(parse_qsl(query_text, keep_blank_values=True))
        key = unquote(path)[1:]
        try:
            bucket = self._bucket(request)
            if not key:
                return self._of_bucket(bucket, request, query)
            return self._of_object(bucket, key, request, query)
        except CosError as error:
            return _error(error.status, error.code, str(error), request)
        except Exception as error:  # a bug of ours is the client's to see
            return _error(500, "InternalError", repr(error), request)

    def _bucket(self, request: HttpRequest) -> Bucket:
        name = request.header("host").partition(".")[0]
        found = self._buckets.find(name) or self._only
        if found is None:
            known = ", ".join(each.name for each in self._buckets.all()) or "none"
            raise CosError(404, "NoSuchBucket", f"There is no bucket {name}; known here: {known}.")
        return found

    # -- a bucket ------------------------------------------------------------------------------------------------

    def _of_bucket(self, bucket: Bucket, request: HttpRequest, query: dict[str, str]) -> HttpResponse:
        if request.method == "HEAD":
            return HttpResponse(200)
        if request.method == "POST" and "delete" in query:
            return self._delete_many(bucket, request.body)
        listed = {"prefix", "delimiter", "marker", "max-keys", "encoding-type"}
        if request.method == "GET" and set(query) <= listed:
            return _list(bucket, self._buckets, query)
        raise _not_here(request)

    def _delete_many(self, bucket: Bucket, body: bytes) -> HttpResponse:
        found = [each.findtext("Key") or "" for each in _parse(body).iter("Object")]
        for key in found:
            self._buckets.delete(bucket, key)
        deleted = "".join(f"<Deleted><Key>{escape(key)}</Key></Deleted>" for key in found)
        return _xml(f"<DeleteResult>{deleted}</DeleteResult>")

    # -- an object -----------------------------------------------------------------------------------------------

    def _of_object(self, bucket: Bucket, key: str, request: HttpRequest, query: dict[str, str]) -> HttpResponse:
        method = request.method
        if "uploadId" in query or "uploads" in query:
            return self._of_upload(bucket, key, request, query)
        if any(not name.startswith("response-") for name in query):
            raise _not_here(request)
        if method == "PUT":
            source = request.header("x-cos-copy-source")
            if source:
                return self._copy(bucket, key, source, request)
            self._buckets.put(bucket, key, request.body, _kept(request), PUT)
            # A function that this has called may have deleted the object already.
            return HttpResponse(200, headers=[("ETag", f'"{etag_of(request.body)}"')])
        if method == "DELETE":
            self._buckets.delete(bucket, key)
            return HttpResponse(204)
        if method in ("GET", "HEAD"):
            return _read(_stored(bucket, key), request)
        raise _not_here(request)

    def _copy(self, bucket: Bucket, key: str, source: str, request: HttpRequest) -> HttpResponse:
        host, _, path = source.partition("/")
        origin = self._buckets.find(host.partition(".")[0])
        if origin is None:
            raise CosError(404, "NoSuchBucket", f"There is no bucket {host}.")
        stored = _stored(origin, unquote(path.partition("?")[0]))
        replaced = request.header("x-cos-metadata-directive").lower().startswith("replace")
        self._buckets.put(bucket, key, stored.data, _kept(request) if replaced else stored.headers, COPY)
        made = bucket.objects.get(key, stored)
        when = _iso(made.modified)
        body = f"<CopyObjectResult><ETag>{_etag(made)}</ETag><LastModified>{when}</LastModified></CopyObjectResult>"
        return _xml(body)

    # -- an upload in parts --------------------------------------------------------------------------------------

    def _of_upload(self, bucket: Bucket, key: str, request: HttpRequest, query: dict[str, str]) -> HttpResponse:
        method = request.method
        if method == "POST" and "uploads" in query:
            with self._lock:
                number = f"upload-{next(self._numbers)}"
                self._uploads[number] = _Upload(bucket, key, _kept(request))
            names = f"<Bucket>{bucket.name}</Bucket><Key>{escape(key)}</Key><UploadId>{number}</UploadId>"
            return _xml(f"<InitiateMultipartUploadResult>{names}</InitiateMultipartUploadResult>")
        upload = self._uploads.get(query.get("uploadId", ""))
        if upload is None or upload.key != key or upload.bucket is not bucket:
            raise CosError(404, "NoSuchUpload", f"There is no upload {query.get('uploadId')!r} of {key}.")
        if method == "PUT" and not request.header("x-cos-copy-source"):
            etag = etag_of(request.body)
            upload.parts[_number("partNumber", query.get("partNumber", ""))] = (request.body, etag)
            return HttpResponse(200, headers=[("ETag", f'"{etag}"')])
        if method == "POST":
            return self._complete(upload, query["uploadId"], request.body)
        if method == "DELETE":
            self._uploads.pop(query["uploadId"], None)
            return HttpResponse(204)
        if method == "GET":
            parts = "".join(
                f'<Part><PartNumber>{number}</PartNumber><ETag>"{etag}"</ETag><Size>{len(data)}</Size></Part>'
                for number, (data, etag) in sorted(upload.parts.items())
            )
            names = f"<Bucket>{bucket.name}</Bucket><Key>{escape(key)}</Key><IsTruncated>false</IsTruncated>"
            return _xml(f"<ListPartsResult>{names}{parts}</ListPartsResult>")
        raise _not_here(request)

    def _complete(self, upload: _Upload, number: str, body: bytes) -> HttpResponse:
        wanted = [int(each.findtext("PartNumber") or 0) for each in _parse(body).iter("Part")]
        missing = [each for each in wanted if each not in upload.parts]
        if missing or not wanted:
            raise CosError(400, "InvalidPart", f"There are no parts {missing}.")
        data = b"".join(upload.parts[each][0] for each in wanted)
        self._buckets.put(upload.bucket, upload.key, data, upload.headers, COMPLETE)
        self._uploads.pop(number, None)
        etag = f'"{etag_of(data)}"'
        names = f"<Bucket>{upload.bucket.name}</Bucket><Key>{escape(upload.key)}</Key><ETag>{etag}</ETag>"
        place = f"<Location>http://{upload.bucket.domain}/{escape(upload.key)}</Location>"
        return _xml(f"<CompleteMultipartUploadResult>{place}{names}</CompleteMultipartUploadResult>")


def _stored(bucket: Bucket, key: str) -> StoredObject:
    found = bucket.objects.get(key)
    if found is None:
        raise CosError(404, "NoSuchKey", f"There is no object {key} in the bucket {bucket.name}.")
    return found


def _read(stored: StoredObject, request: HttpRequest) -> HttpResponse:
    headers = [("ETag", _etag(stored)), ("Last-Modified", formatdate(stored.modified, usegmt=True))]
    headers += [("Accept-Ranges", "bytes"), *stored.headers.items()]
    asked = request.header("range")
    found = _RANGE.fullmatch(asked)
    if found is None:
        return HttpResponse(200, stored.data, headers)
    size = len(stored.data)
    first = int(found[1]) if found[1] else max(0, size - int(found[3]))
    last = min(int(found[2]) if found[2] else size - 1, size - 1)
    if first > last:
        raise CosError(416, "InvalidRange", f"{asked} is not within {size} bytes.")
    headers.append(("Content-Range", f"bytes {first}-{last}/{size}"))
    return HttpResponse(206, stored.data[first : last + 1], headers)


def _list(bucket: Bucket, buckets: Buckets, query: dict[str, str]) -> HttpResponse:
    prefix, delimiter = query.get("prefix", ""), query.get("delimiter", "")
    marker, most = query.get("marker", ""), _number("max-keys", query.get("max-keys") or "1000")
    contents: list[str] = []
    folders: list[str] = []
    truncated, last = False, ""
    objects = dict(bucket.objects)  # of one moment: others put and delete meanwhile
    for key in buckets.keys(bucket, prefix):
        folder = ""
        if delimiter and delimiter in key[len(prefix) :]:
            folder = prefix + key[len(prefix) :].partition(delimiter)[0] + delimiter
        entry = folder or key
        if entry <= marker or entry in folders:
            continue
        if len(contents) + len(folders) >= most:
            truncated = True
            break
        (folders if folder else contents).append(entry)
        last = entry
    items = "".join(_entry(key, objects[key]) for key in contents if key in objects)
    items += "".join(f"<CommonPrefixes><Prefix>{escape(each)}</Prefix></CommonPrefixes>" for each in folders)
    more = f"<IsTruncated>{'true' if truncated else 'false'}</IsTruncated>"
    if truncated:
        more += f"<NextMarker>{escape(last)}</NextMarker>"
    names = f"<Name>{bucket.name}</Name><Prefix>{escape(prefix)}</Prefix><Marker>{escape(marker)}</Marker>"
    return _xml(f"<ListBucketResult>{names}<MaxKeys>{most}</MaxKeys>{more}{items}</ListBucketResult>")


def _entry(key: str, stored: StoredObject) -> str:
    return (
        f"<Contents><Key>{escape(key)}</Key><LastModified>{_iso(stored.modified)}</LastModified>"
        f"<ETag>{_etag(stored)}</ETag><Size>{len(stored.data)}</Size><StorageClass>STANDARD</StorageClass></Contents>"
    )


def _number(name: str, text: str) -> int:
    if not (text.isascii() and text.isdecimal()):
        raise CosError(400, "InvalidArgument", f"{name} must be a number, not {text!r}.")
    return int(text)


def _kept(request: HttpRequest) -> dict[str, str]:
    """Names as the event shows them: ``Content-Type``, ``x-cos-meta-owner``."""
    kept = {name.title(): value for name, value in request.headers if name in _KEPT}
    return {**kept, **{name: value for name, value in request.headers if name.startswith("x-cos-meta-")}}


def _etag(stored: StoredObject) -> str:
    return f'"{stored.etag}"'


def _iso(epoch: float) -> str:
    return datetime.fromtimestamp(epoch, timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.000Z")


def _parse(body: bytes) -> ElementTree.Element:
    try:
        return ElementTree.fromstring(body)
    except ElementTree.ParseError as why:
        raise CosError(400, "MalformedXML", f"The body is no XML: {why}.") from why


def _xml(body: str, status: int = 200) -> HttpResponse:
    data = f'<?xml version="1.0" encoding="UTF-8"?>{body}'.encode()
    return HttpResponse(status, data, [("Content-Type", "application/xml")])


def _error(status: int, code: str, message: str, request: HttpRequest) -> HttpResponse:
    place = escape(request.header("host") + request.target)
    told = f"<Code>{code}</Code><Message>{escape(message)}</Message><Resource>{place}</Resource>"
    number = uuid.uuid4().hex
    return _xml(f"<Error>{told}<RequestId>{number}</RequestId><TraceId>{number}</TraceId></Error>", status)


def _not_here(request: HttpRequest) -> CosError:
    return CosError(501, "NotImplemented", f"{request.method} {request.target} is not emulated.")
