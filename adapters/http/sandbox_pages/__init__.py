"""The operator's pages of the sandbox: status, people, inbox and the counterparties' books, for this machine only."""

from adapters.http.sandbox_pages.routes import add_sandbox_pages

__all__ = ["add_sandbox_pages"]
