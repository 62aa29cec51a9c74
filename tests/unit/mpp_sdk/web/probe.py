"""A small contract that has one of everything, and the functions that answer it."""

import copy
import threading
from collections.abc import Callable
from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from pydantic import AwareDatetime, Field
from sqlalchemy.exc import OperationalError

from mpp_sdk import errors
from mpp_sdk.model import Model
from mpp_sdk.web.call import Principal, Reply, current_call

PROBLEM = {"description": "An error.", "content": {"application/problem+json": {}}}
ITEM = {
    "description": "An item.",
    "headers": {"ETag": {"schema": {"type": "string"}}},
    "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Item"}}},
}

DOCUMENT: dict[str, Any] = {
    "openapi": "3.0.3",
    "info": {"title": "Probe {{ 7 * 6 }}", "version": "1.2.3", "description": "One of each."},
    "servers": [{"url": "/probe/v1"}],
    "security": [{"apiKey": []}, {"oauth2": ["writer"]}, {"oauth2": ["reader", "auditor"]}],
    "paths": {
        "/items": {
            "get": {
                "operationId": "items.list_items",
                "parameters": [
                    {
                        "name": "limit",
                        "in": "query",
                        "schema": {"type": "integer", "minimum": 1, "maximum": 10, "default": 5},
                    },
                    {
                        "name": "occurredAt",
                        "in": "query",
                        "schema": {"type": "string", "format": "date-time"},
                    },
                    {
                        "name": "tags",
                        "in": "query",
                        "schema": {"type": "array", "items": {"type": "string"}},
                    },
                    {"name": "flag", "in": "query", "schema": {"type": "boolean"}},
                    {"name": "share", "in": "query", "schema": {"type": "number"}},
                ],
                "responses": {"200": ITEM, "400": PROBLEM},
            },
            "post": {
                "operationId": "items.create_item",
                "parameters": [
                    {
                        "name": "Idempotency-Key",
                        "in": "header",
                        "schema": {"type": "string", "maxLength": 20},
                    },
                ],
                "requestBody": {
                    "required": True,
                    "content": {
                        "application/json": {"schema": {"$ref": "#/components/schemas/Item"}}
                    },
                },
                "responses": {"201": ITEM, "400": PROBLEM},
            },
        },
        "/items/{itemId}": {
            "parameters": [
                {
                    "name": "itemId",
                    "in": "path",
                    "required": True,
                    "schema": {"type": "string", "format": "uuid"},
                }
            ],
            "get": {"operationId": "items.read_item", "responses": {"200": ITEM, "404": PROBLEM}},
            "put": {
                "operationId": "items.replace_item",
                "parameters": [
                    {"name": "If-Match", "in": "header", "schema": {"type": "string"}},
                ],
                "requestBody": {
                    "content": {
                        "application/json": {"schema": {"$ref": "#/components/schemas/Item"}}
                    }
                },
                "responses": {"200": ITEM, "412": PROBLEM},
            },
            "delete": {
                "operationId": "items.delete_item",
                "responses": {"204": {"description": "It is gone."}},
            },
        },
        "/items/latest": {
            "get": {"operationId": "items.latest_item", "responses": {"200": ITEM}},
        },
        "/names/{name}": {
            "get": {
                "operationId": "names.read_name",
                "parameters": [
                    {
                        "name": "name",
                        "in": "path",
                        "required": True,
                        "schema": {"type": "string", "maxLength": 10},
                    }
                ],
                "responses": {"200": ITEM, "400": PROBLEM},
            }
        },
        "/failures/{kind}": {
            "get": {
                "operationId": "failures.fail",
                "security": [],
                "parameters": [
                    {"name": "kind", "in": "path", "required": True, "schema": {"type": "string"}}
                ],
                "responses": {"200": ITEM, "400": PROBLEM},
            }
        },
        "/renderings": {
            "get": {
                "operationId": "renderings.read",
                "security": [{"apiKey": []}],
                "responses": {
                    "200": {
                        "description": "A rendering.",
                        "content": {
                            "application/json": {"schema": {"type": "object"}},
                            "application/xml": {"schema": {"type": "string"}},
                        },
                    },
                    "406": PROBLEM,
                },
            }
        },
        "/token": {
            "post": {
                "operationId": "access.issue_token",
                "security": [],
                "requestBody": {
                    "required": True,
                    "content": {
                        "application/x-www-form-urlencoded": {
                            "schema": {"$ref": "#/components/schemas/Token"}
                        }
                    },
                },
                "responses": {"200": ITEM, "401": PROBLEM},
            }
        },
        "/ticks": {
            "post": {
                "operationId": "ticks.tick",
                "security": [{"oauth2": ["writer"]}],
                "responses": {"204": {"description": "Done."}, "413": PROBLEM},
            }
        },
    },
    "components": {
        "securitySchemes": {
            "apiKey": {"type": "apiKey", "in": "header", "name": "X-API-Key"},
            "oauth2": {
                "type": "oauth2",
                "flows": {
                    "clientCredentials": {
                        "tokenUrl": "/token",
                        "scopes": {"reader": "Reads", "writer": "Writes", "auditor": "Audits"},
                    }
                },
            },
        },
        "schemas": {
            "Item": {
                "type": "object",
                "required": ["itemId", "occurredAt"],
                "additionalProperties": False,
                "properties": {
                    "itemId": {"type": "string", "format": "uuid"},
                    "occurredAt": {"type": "string", "format": "date-time"},
                    "eventId": {"type": "string", "format": "uuid"},
                    "name": {"type": "string", "maxLength": 10},
                    "home": {"type": "string", "format": "uri"},
                    "mail": {"type": "string", "format": "email"},
                    "day": {"type": "string", "format": "date"},
                    "count": {"type": "integer", "minimum": 0},
                    "share": {"type": "number"},
                    "note": {"type": "string", "nullable": True},
                    "example": {"type": "string", "maxLength": 3},
                    "children": {"type": "array", "items": {"$ref": "#/components/schemas/Item"}},
                    "extra": {},
                },
            },
            "Token": {
                "type": "object",
                "required": ["grant_type"],
                "properties": {
                    "grant_type": {"type": "string"},
                    "client_id": {"type": "string"},
                    "lifetime": {"type": "integer"},
                },
            },
        },
    },
}


def document() -> dict[str, Any]:
    """Return a copy of the contract, to be changed."""
    return copy.deepcopy(DOCUMENT)


class Item(Model):
    item_id: Annotated[UUID, Field(alias="itemId")]
    occurred_at: Annotated[AwareDatetime, Field(alias="occurredAt")]
    event_id: Annotated[UUID | None, Field(alias="eventId")] = None
    name: str | None = None
    home: str | None = None
    mail: str | None = None
    day: str | None = None
    count: int | None = None
    share: float | None = None
    note: str | None = None
    example: str | None = None
    children: list["Item"] | None = None
    extra: Any = None


class Token(Model):
    grant_type: str
    client_id: str | None = None
    lifetime: int | None = None


ITEM_ID = UUID("0197c2d4-6b1e-7c3a-9d5e-2f1a4b6c8d90")
MOMENT = datetime.fromisoformat("2026-12-01T10:00:00+00:00")


def an_item(**members: Any) -> Item:
    return Item(item_id=ITEM_ID, occurred_at=MOMENT, **members)


class Handlers:
    """Answers the probe. `seen` has what each handler was given; `threads` where it ran."""

    def __init__(self) -> None:
        self.seen: list[Any] = []
        self.threads: list[str] = []
        self.during: Callable[[], None] = lambda: None

    def list_items(
        self,
        limit: int,
        occurred_at: datetime | None = None,
        tags: list[str] | None = None,
        flag: bool | None = None,
        share: float | None = None,
    ) -> Item:
        self._note((limit, occurred_at, tags, flag, share))
        return an_item()

    def create_item(self, body: Item) -> Reply:
        self._note(body)
        self.during()
        return Reply(body, headers={"ETag": '"1"', "Location": f"/probe/v1/items/{body.item_id}"})

    def read_item(self, item_id: UUID) -> Item:
        self._note(item_id)
        return an_item()

    def replace_item(self, item_id: UUID, body: Item | None = None) -> Item:
        self._note((item_id, body, current_call().if_match))
        if current_call().if_match is None:
            raise errors.PreconditionRequired("Send If-Match.")
        return body or an_item()

    def delete_item(self, item_id: UUID) -> None:
        self._note(item_id)

    def latest_item(self) -> Item:
        return an_item(name="latest")

    def read_name(self, name: str) -> Item:
        self._note(name)
        return an_item()

    def fail(self, kind: str) -> Item:
        raise FAILURES[kind]

    def read(self) -> Reply:
        if current_call().media_type == "application/xml":
            return Reply(b"<rendering/>")
        return Reply(b"{}")

    def issue_token(self, body: Token) -> Item:
        self._note(body)
        return an_item()

    def tick(self) -> None:
        self._note(current_call().body)

    def _note(self, given: Any) -> None:
        self.seen.append(given)
        self.threads.append(threading.current_thread().name)


FAILURES: dict[str, Exception] = {
    "400": errors.InvalidInput.field("/validity/end", "endAfterStart", "The end is too early."),
    "401": errors.Unauthenticated("Who are you?"),
    "403": errors.Forbidden("Not you."),
    "404": errors.NotFound.entity("item", 1),
    "406": errors.NotAcceptable("Available is JSON."),
    "409": errors.IllegalTransition("Item", "ENDED", "start", ()),
    "412": errors.PreconditionFailed("Read it again."),
    "413": errors.PayloadTooLarge("Less, please."),
    "415": errors.UnsupportedMediaType("Send JSON."),
    "422": errors.IdempotencyMismatch("Use a new key."),
    "428": errors.PreconditionRequired("Send If-Match."),
    "503": errors.Unavailable("Try later."),
    "database": OperationalError("SELECT secret", {}, Exception("server closed the connection")),
    "500": ValueError("a secret that must not be told"),
}


class Keys:
    """Knows three credentials: a key without roles, a key and a token with the role in its name."""

    def authenticate(self, scheme: str, credential: str) -> Principal:
        if scheme == "apiKey" and credential in ("none", "writer", "reader"):
            roles = frozenset({credential} - {"none"})
        elif scheme == "oauth2" and credential in ("writer", "reader", "reader+auditor"):
            roles = frozenset(credential.split("+"))
        else:
            raise errors.Unauthenticated("The credential is unknown.")
        return Principal("company-1", "Levante Aggregation", roles)
