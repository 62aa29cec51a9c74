"""What people read for the cases of the conformance kit that the set-up test tries.

The words are those of the kit, said once more here so that they can be translated.
"""

from flask_babel import lazy_gettext as _l

RULES = {
    "ACCESS-KEY-01": _l("A call without a key is refused"),
    "ACCESS-KEY-02": _l("A key that was never issued is refused"),
    "ACCESS-KEY-03": _l("A key that resembles a right one is refused"),
    "CALL-READ-01": _l("Every operation that reads answers a right call with 200"),
    "CALL-CHARSET-01": _l("A body is read in UTF-8, and a media type may say so"),
    "CALL-LATER-01": _l("What the contract does not know is answered 404 as a problem document"),
    "BODY-JSON-01": _l("What is not JSON in UTF-8 is refused with 400"),
    "BODY-JSON-03": _l("A body that is no object, or is nested without end, is refused with 400"),
    "BODY-TYPE-01": _l("A body of another media type, or of none, is refused with 415"),
    "HEADER-CORRELATION-01": _l(
        "Every answer has an X-Correlation-Id, the caller's own where it sent one"
    ),
    "HEADER-CORRELATION-02": _l("An X-Correlation-Id that breaks its rule is not repeated"),
    "HEADER-CACHE-01": _l("No answer may be stored: `Cache-Control: no-store`"),
    "METHOD-OTHER-01": _l("A method that a path does not take is answered 405, with `Allow`"),
    "METHOD-HEAD-01": _l("HEAD answers as GET does without a body, and harms nothing elsewhere"),
    "METHOD-OPTIONS-01": _l("OPTIONS does nothing and is no failure"),
    "LIST-WALK-01": _l("The pages of a list hold every item once, in order, and end"),
    "LIST-DEFAULT-01": _l("A page holds 50 items at most when no size is asked for"),
    "LIST-CURSOR-01": _l("A cursor that the list did not give is refused and named"),
    "PARAMETER-QUERY-01": _l(
        "A query parameter that is missing or breaks its rule is refused and named"
    ),
    "PROBLEM-DOCUMENT-01": _l("Every refusal is a whole problem document (RFC 9457)"),
    "PROBLEM-LEAK-01": _l("No refusal shows keys, stack traces or what the server runs on"),
    "EU-MP-TEST-01": _l("The connection test says AVAILABLE and which contract is spoken"),
    "EU-MP-TEST-02": _l("Its clock agrees with the kit's to within five minutes"),
    "EU-MP-HELD-06": _l(
        "A cursor that the list has not given is refused with 400, and so is a `since` that is none"
    ),
}
