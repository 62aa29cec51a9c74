"""What a run came to, for people and for programs. None of it holds a secret."""

from mpp_sdk.conformance.reports.certificate import to_certificate
from mpp_sdk.conformance.reports.contents import Report, report_of
from mpp_sdk.conformance.reports.junit import to_junit
from mpp_sdk.conformance.reports.records import to_json

__all__ = ["Report", "report_of", "to_certificate", "to_json", "to_junit"]
