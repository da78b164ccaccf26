"""An API of articles, by a function URL or through the API gateway."""

import json

ARTICLES = {"1": {"id": "1", "title": "Spring"}, "2": {"id": "2", "title": "Summer"}}


def main_handler(event, context):
    if event["httpMethod"] != "GET":
        return answer(405, {"error": "only GET"})
    found = ARTICLES.get(event["queryString"].get("id", ""))
    return answer(404, {"error": "no such article"}) if found is None else answer(200, found)


def answer(status, body):
    return {"statusCode": status, "headers": {"Content-Type": "application/json"}, "body": json.dumps(body)}
