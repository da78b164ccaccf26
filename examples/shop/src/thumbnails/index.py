"""Makes a picture a quarter of its size. Pictures are in the PPM format, which needs no library."""

import os

from qcloud_cos import CosConfig, CosS3Client


def main_handler(event, context):
    credential = {
        "SecretId": os.environ["TENCENTCLOUD_SECRETID"],
        "SecretKey": os.environ["TENCENTCLOUD_SECRETKEY"],
        "Token": os.environ["TENCENTCLOUD_SESSIONTOKEN"],
    }
    client = CosS3Client(CosConfig(Region=os.environ["TENCENTCLOUD_REGION"], **credential))
    bucket = os.environ["SHOP_BUCKET"]
    made = []
    for record in event["Records"]:
        key = record["cos"]["cosObject"]["key"].split("/", 3)[3]
        picture = client.get_object(Bucket=bucket, Key=key)["Body"].get_raw_stream().read()
        target = key.replace("pictures/", "thumbnails/", 1)
        client.put_object(Bucket=bucket, Key=target, Body=halved(picture), ContentType="image/x-portable-pixmap")
        made.append(target)
    return made


def halved(picture: bytes) -> bytes:
    """Every second pixel of every second row."""
    kind, size, depth, pixels = picture.split(b"\n", 3)
    width, height = map(int, size.split())
    rows = [pixels[row * width * 3 : (row + 1) * width * 3] for row in range(0, height, 2)]
    kept = [row[at : at + 3] for row in rows for at in range(0, width * 3, 6)]
    new_size = b"%d %d" % ((width + 1) // 2, (height + 1) // 2)
    return b"\n".join([kind, new_size, depth, b"".join(kept)])
