"""The one module that plugin authors import.

`API_VERSION` is (major, minor): the major is in the entry-point group's name, a minor adds hooks and fields and breaks nothing.

A name is imported when it is first asked for: a hook module needs a handful, and importing all of them would cost more than all else that it does.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

API_VERSION = (1, 0)
GROUP = "massgen.v1"

# What this module offers, by the module of the kernel that has it: all that stands in its `__all__`, and nothing else of it.
_PUBLIC = {
    "addresses": "address_refusal",
    "beneath": "open_beneath",
    "catalogues": "Catalogue ModelInfo RemoteCatalogue base_name listed_model listed_price",
    "checks": "Check Checkable",
    "chunks": "Chunk ItemChunk LimitsChunk ReasoningChunk StopChunk TextChunk ToolCallChunk UsageChunk",
    "contracts": """
        App Backend Classifier Command Context CredentialStore Display Folders GrantedPath Middleware ModelCall Question Sink ToolUse Toolset
        Workspace WritableStore
    """,
    "coordination": "Ask Decision Declare Finish Inject Interrupt Outcome Release Reply Strategy Task",
    "credentials": "credential_stores is_reference",
    "dialects": "Dialect ToolFitter fit is_sound schema_at without_nulls",
    "endpoints": "check_address check_headers check_reference",
    "errors": """
        AuthenticationFailed BackendFault BadRequest BudgetExceeded CommandRefused ConfigProblem ConfigProblems ConfigUntrusted ConnectionLost
        ContextTooLong ExecutorFault ExecutorUnavailable ImageMissing JournalDamaged LimitUnsupported MassGenError ModelMissing Overloaded
        PluginBlocked PluginBroken PluginConflict PluginMissing PluginProblem PluginRefused RateLimited RunFailed RunStopped SandboxLost
        SecretMissing StoreProblem TimedOut ToolFault UsageProblem
    """,
    "events": """
        AgentLeft AgentState AgentStateChanged AnswerGiven AnswerPresented AnswerRejected DecisionMade Event EventsDropped LimitReached
        MemoryRecalled ModelAnswered ModelFailed ModelRequested ModelRetried ModelStreamed NoticeGiven PhaseEntered PhaseLeft Record RunEnded
        RunResumed RunStarted RunStatus SinkFailed ToolApproved ToolCalled ToolJudged ToolReduced ToolReturned TurnEnded TurnFailed TurnInjected
        TurnInterrupted TurnReplied TurnResponded TurnStarted UnknownEvent VoteCast VoteRejected VotesCleared WinnerChosen WorkspaceSnapshotted
    """,
    "execution": "ExecCommand ExecResult Executor Limits NetworkPolicy Process",
    "faults": "FaultRules Faults Told told",
    "figures": "Figures ModelFigures",
    "fingerprint": "canonical_request fingerprint",
    "folders": "folder_refusal",
    "hookspecs": "hookimpl hookspec",
    "links": "Link LinkReport McpCall",
    "media": "Uploads keep_media kept_media media_in open_uploads read_files",
    "messages": """
        Brief Candidate Content Effort File Image Message ModelAnswer ModelRequest ProviderItem Purpose Reasoning Role Sampling StopReason Text
        Tool ToolAnnotations ToolCall ToolChoice ToolResult Usage
    """,
    "nearest": "nearest",
    "plain": "PlainDisplay describe",
    "prices": "Price cost_text",
    "rates": "RateLimit RateLimits rate_limits retry_after",
    "reading": """
        Document config_files config_rows config_schema is_trusted load_config may_start read_document render_config structure trust trust_store
    """,
    "safety": "LEVELS Level Verdict join",
    "secrets": "Redactor Secret",
    "specs": """
        BackendSpec Capabilities ClassifierSpec CommandSpec CredentialStoreSpec DisplaySpec ExecutorSpec KINDS Kind MiddlewareSpec MigrationSpec
        PresetSpec RunnerSpec SinkSpec Spec StrategySpec ToolsetSpec TransportSpec WorkspaceSpec
    """,
    "syscalls": "FILTER_ARCHITECTURES SOCKET_FAMILIES call_filter",
    "terminal": "clean clean_line columns",
}

if TYPE_CHECKING:  # the same for type checkers and editors
    from massgen_core.addresses import *
    from massgen_core.beneath import *
    from massgen_core.catalogues import *
    from massgen_core.checks import *
    from massgen_core.chunks import *
    from massgen_core.contracts import *
    from massgen_core.coordination import *
    from massgen_core.credentials import *
    from massgen_core.dialects import *
    from massgen_core.endpoints import *
    from massgen_core.errors import *
    from massgen_core.events import *
    from massgen_core.execution import *
    from massgen_core.faults import *
    from massgen_core.figures import *
    from massgen_core.fingerprint import *
    from massgen_core.folders import *
    from massgen_core.hookspecs import *
    from massgen_core.links import *
    from massgen_core.media import *
    from massgen_core.messages import *
    from massgen_core.nearest import *
    from massgen_core.plain import *
    from massgen_core.prices import *
    from massgen_core.rates import *
    from massgen_core.reading import *
    from massgen_core.safety import *
    from massgen_core.secrets import *
    from massgen_core.specs import *
    from massgen_core.syscalls import *
    from massgen_core.terminal import *
else:
    _HOMES = {name: module for module, names in _PUBLIC.items() for name in names.split()}
    __all__ = ["API_VERSION", "GROUP"]
    __all__ += list(_HOMES)

    def __getattr__(name: str) -> Any:
        if name not in _HOMES:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        value = globals()[name] = getattr(import_module(f"massgen_core.{_HOMES[name]}"), name)
        return value

    def __dir__() -> list[str]:
        return __all__
