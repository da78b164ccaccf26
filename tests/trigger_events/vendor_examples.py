"""What the vendor's documents and libraries show of each trigger's event: their fields and types, with values of ours.

Sources: documents 583/9708 (timer), 583/9707 (COS), 583/12513 (API gateway), 583/100227 (function URL), 583/17530
(CKafka), and those of the CMQ, CLS, CLB, MPS, event bus and WebSocket triggers; scf-go-lib's types; scfcli's templates.
"""

from __future__ import annotations

from typing import Any

TIMER = {
    "Type": "Timer",
    "TriggerName": "nightly-report",
    "Time": "2024-03-05T01:30:00Z",
    "Message": '{"job":"report"}',
}

COS = {
    "Records": [
        {
            "cos": {
                "cosSchemaVersion": "1.0",
                "cosObject": {
                    "url": "http://shots-1259990001.cos.ap-guangzhou.myqcloud.com/in/a.csv",
                    "meta": {"x-cos-request-id": "NWUwMTIz", "Content-Type": "text/csv", "x-cos-meta-owner": "lin"},
                    "vid": "",
                    "key": "/1259990001/shots/in/a.csv",
                    "size": 2048,
                },
                "cosBucket": {"region": "gz", "name": "shots", "appid": "1259990001"},
                "cosNotificationId": "unkown",
            },
            "event": {
                "eventName": "cos:ObjectCreated:Put",
                "eventVersion": "1.0",
                "eventTime": 1709602200,
                "eventSource": "qcs::cos",
                "requestParameters": {
                    "requestSourceIP": "127.0.0.1",
                    "requestHeaders": {"Authorization": "q-sign-algorithm=sha1"},
                },
                "eventQueue": "qcs:0:scf:ap-guangzhou:appid/1259990001:default.importer.$LATEST",
                "reservedInfo": "",
                "reqid": 1,
            },
        }
    ]
}

CKAFKA = {
    "Records": [
        {
            "Ckafka": {
                "topic": "orders",
                "partition": 2,
                "offset": 1204,
                "msgKey": "user-7",
                "msgBody": '{"id": 7}',
            }
        },
        {"Ckafka": {"topic": "orders", "partition": 2, "offset": 1205, "msgKey": "user-7", "msgBody": "plain"}},
    ]
}

CMQ = {
    "Records": [
        {
            "CMQ": {
                "type": "topic",
                "topicOwner": "1259990001",
                "topicName": "sales",
                "subscriptionName": "importer-sub",
                "publishTime": "2024-03-05T01:30:00Z",
                "msgId": "1709602200000",
                "requestId": "9dd3c1e0",
                "msgBody": '{"id": 7}',
                "msgTag": "red,blue",
            }
        }
    ]
}

TDMQ: dict[str, Any] = {
    "specversion": "1.0",
    "id": "13a3f42d",
    "type": "connector:tdmq",
    "source": "tdmq.cloud.tencent",
    "subjuect": "qcs::tdmq:ap-guangzhou:uin/100000000001:topicName/orders",
    "time": "1709602200000",
    "region": "ap-guangzhou",
    "datacontenttype": "application/json;charset=utf-8",
    "data": {
        "topic": "persistent://1259990001/ns1/orders",
        "tags": "red",
        "TopicType": "0",
        "subscriptionName": "stock-sub",
        "toTimestamp": "1709602200000",
        "partitions": "0",
        "msgId": "1709602200000",
        "msgBody": "hello",
    },
}

CLS_CONTENT = {
    "topic_id": "b1c2",
    "topic_name": "applog",
    "records": [
        {"timestamp": "1709602200000000", "content": "line"},
        {"timestamp": "1709602200000001", "content": '{"level": "info"}'},
    ],
}

APIGW = {
    "requestContext": {
        "serviceId": "service-k2m9x0aa",
        "path": "/shop/{id}",
        "httpMethod": "POST",
        "requestId": "5c1e7d0a9b",
        "identity": {"secretId": "AKIDinvented01"},
        "sourceIp": "203.0.113.7",
        "stage": "release",
    },
    "headers": {
        "host": "service-k2m9x0aa-1259990001.gz.apigw.tencentcs.com",
        "content-type": "application/json",
        "user-agent": "curl/8.5",
        "x-api-requestid": "5c1e7d0a9b",
        "x-api-scheme": "https",
        "x-qualifier": "$DEFAULT",
        "x-b3-traceid": "5c1e7d0a9b",
        "requestsource": "APIGW",
    },
    "body": '{"qty": 2}',
    "pathParameters": {"id": "42"},
    "queryStringParameters": {"lang": "en"},
    "headerParameters": {"X-Tenant": "acme"},
    "stageVariables": {"stage": "release"},
    "path": "/shop/42",
    "queryString": {"lang": "en", "dry": "1"},
    "httpMethod": "POST",
    "isBase64Encoded": False,
}

FUNCTION_URL = {
    "body": '{"qty": 2}',
    "headers": {
        "host": "1259990001-0123456789.ap-guangzhou.tencentscf.com",
        "content-type": "application/json",
        "x-scf-remote-addr": "203.0.113.7",
    },
    "httpMethod": "POST",
    "path": "/orders",
    "queryString": {"lang": "en"},
}

CLB = {
    "headers": {
        "Content-type": "application/json",
        "Host": "203.0.113.9",
        "User-Agent": "curl/8.5",
        "X-Stgw-Time": "1709602200.000",
        "X-Client-Proto": "http",
        "X-Forwarded-Proto": "http",
        "X-Client-Proto-Ver": "HTTP/1.1",
        "X-Real-IP": "198.51.100.4",
        "X-Forwarded-For": "198.51.100.4",
        "X-Vip": "203.0.113.9",
        "X-Vport": "80",
        "X-Uri": "/hook",
        "X-Method": "POST",
        "X-Real-Port": "51234",
    },
    "payload": {"k": "v"},
    "isBase64Encoded": "false",
}

MPS: dict[str, Any] = {
    "EventType": "WorkflowTask",
    "WorkflowTaskEvent": {
        "TaskId": "901-WorkflowTask-ab12cd",
        "Status": "FINISH",
        "ErrCode": 0,
        "Message": "",
        "InputInfo": {
            "Type": "COS",
            "CosInputInfo": {"Bucket": "vid-1259990001", "Region": "ap-guangzhou", "Object": "/a.mp4"},
        },
        "MetaData": {"Duration": 60, "Width": 1280, "Height": 720},
        "MediaProcessResultSet": [{"Type": "Transcode", "TranscodeTask": {"Status": "SUCCESS", "ErrCode": 0}}],
        "AiContentReviewResultSet": [],
        "AiAnalysisResultSet": [],
        "AiRecognitionResultSet": [],
    },
}

WEBSOCKET_CONNECTING = {
    "requestContext": {
        "serviceName": "chat",
        "path": "/room",
        "httpMethod": "GET",
        "requestId": "92b1",
        "identity": {},
        "sourceIp": "203.0.113.7",
        "stage": "release",
        "websocketEnable": True,
    },
    "websocket": {
        "action": "connecting",
        "secConnectionID": "d2Vi",
        "secWebSocketProtocol": "chat",
        "secWebSocketExtensions": "",
    },
}
