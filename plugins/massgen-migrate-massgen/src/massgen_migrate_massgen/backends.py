"""Where the backends of the old format are today: their types, addresses and options, as data."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import attrs

from massgen_migrate_massgen.rules import DROP, KEEP, Rules, extra, hand, move, refuse, warn

__all__ = ["ADDRESSES", "ALIASES", "FRAMEWORKS", "MODELS", "OPTIONS", "PROGRAMS", "TARGETS", "Target"]


@attrs.frozen(kw_only=True)
class Target:
    """A backend of today.

    Attributes:
        type: Its name.
        options: What is written beside the name.
        rules: What differs from `OPTIONS`.
    """

    type: str
    options: Mapping[str, Any] = attrs.field(factory=dict)
    rules: Rules = attrs.field(factory=dict)


_NO_SEARCH = warn("this backend cannot search the web; give the agent an MCP server that can")
_NO_CODE = warn("the provider runs no code for this backend")
_COMMANDS = DROP  # they are read together
_OF_ALL = warn("how agents come to one answer is said for all of them, in the strategy")
_CLAUDE_CODE = warn("this is an option of Claude Code, and does nothing here")

# What every backend takes; `backend.` is the new backend's section, everything else the agent's.
OPTIONS: Rules = {
    "type": DROP,
    "model": move("model"),
    "base_url": KEEP,
    "api_key": hand("key"),
    "organization": KEEP,
    "headers": KEEP,
    "extra_headers": move("backend.headers"),
    "extra_body": KEEP,
    "temperature": move("sampling.temperature"),
    "top_p": move("sampling.top_p"),
    "seed": move("sampling.seed"),
    "stop": hand("stop"),
    "stop_sequences": hand("stop"),
    **dict.fromkeys(("max_tokens", "max_output_tokens", "max_completion_tokens"), move("sampling.max_tokens")),
    **dict.fromkeys(("top_k", "min_p", "frequency_penalty", "presence_penalty", "repetition_penalty", "logit_bias", "metadata", "user"), extra()),
    **dict.fromkeys(("chat_template_kwargs", "response_format", "thinking", "parallel_tool_calls", "service_tier", "provider"), extra()),
    "reasoning": hand("reasoning"),
    "reasoning_effort": move("reasoning_effort"),
    "text": warn("this backend has no setting for how much is written"),
    "system_message": hand("system"),
    "system_prompt": hand("system"),
    "append_system_prompt": hand("system"),
    **dict.fromkeys(("enable_web_search", "enable_x_search"), _NO_SEARCH),
    "enable_code_execution": _NO_CODE,
    "enable_code_interpreter": _NO_CODE,
    "enable_image_generation": warn("this backend makes no images"),
    "enable_file_generation": warn("answers are text; nothing makes files of them"),
    "enable_audio_generation": refuse("media"),
    "enable_video_generation": refuse("media"),
    "enable_multimodal_tools": warn("no plugin has tools that see, hear or make images, audio and video; the agent works without them"),
    "media_max_file_size_mb": DROP,
    **dict.fromkeys(("image_generation_backend", "audio_generation_backend", "video_generation_backend"), DROP),
    **dict.fromkeys(("image_generation_model", "audio_generation_model", "video_generation_model"), DROP),
    "enable_file_search": warn("files are searched where `upload_files` of the backend openai names them"),
    "multimodal_config": DROP,
    "upload_files": hand("uploads"),
    "cwd": hand("cwd"),
    "context_paths": hand("agent_paths"),
    # Tools; servers and the lists of their tools are read together.
    **dict.fromkeys(("mcp_servers", "allowed_tools", "exclude_tools", "custom_tools"), DROP),
    "auto_discover_custom_tools": warn("Python functions of MassGen 0.1 are not looked for"),
    "custom_tools_path": warn("Python functions are not looked for; name each in `custom_tools`, with its file"),
    "exclude_custom_tools": DROP,
    "exclude_file_operation_mcps": DROP,
    "direct_mcp_servers": DROP,
    "enable_code_based_tools": warn("tools are called one by one, not from code"),
    "shared_tools_directory": DROP,
    **dict.fromkeys(("concurrent_tool_execution", "max_concurrent_tools", "use_mcpwrapped_for_tool_filtering", "use_no_roots_wrapper"), DROP),
    "enforce_read_before_delete": warn("no plugin asks for a file to be read before it is deleted; what was there can be rolled back"),
    "enable_programmatic_flow": warn("tools are called one by one"),
    "enable_strict_tool_use": warn("this backend cannot hold arguments to the schema"),
    "enable_tool_search": warn("with many tools the toolset mcp offers a search by itself: search_above"),
    "tool_search_variant": DROP,
    "permissions": refuse("rules"),
    "hooks": refuse("code"),
    # Commands.
    "enable_mcp_command_line": _COMMANDS,
    "command_line_execution_mode": _COMMANDS,
    "command_line_allowed_commands": _COMMANDS,
    "command_line_blocked_commands": _COMMANDS,
    "command_line_docker_image": _COMMANDS,
    "command_line_docker_memory_limit": _COMMANDS,
    "command_line_docker_cpu_limit": _COMMANDS,
    "command_line_docker_network_mode": _COMMANDS,
    "command_line_docker_enable_sudo": _COMMANDS,
    "command_line_docker_packages": _COMMANDS,
    "command_line_docker_credentials": _COMMANDS,
    **dict.fromkeys((f"command_line_docker_preinstall_{what}" for what in ("python", "npm", "system")), _COMMANDS),
    "command_line_docker_auto_install_deps": _COMMANDS,
    "command_line_srt_read_mode": _COMMANDS,
    "command_line_srt_allow_read": _COMMANDS,
    "command_line_srt_deny_read": _COMMANDS,
    "command_line_srt_network_allowed_domains": _COMMANDS,
    "command_line_srt_allow_unix_sockets": _COMMANDS,
    # Claude Code.
    **dict.fromkeys(("permission_mode", "disallowed_tools", "max_thinking_tokens", "max_turns", "add_dirs"), _CLAUDE_CODE),
    # Other frameworks.
    "agent_config": refuse("framework"),
    "group_config": refuse("framework"),
    # Without effect.
    **dict.fromkeys(("websocket_mode", "debug_delay_seconds", "debug_delay_after_n_tools", "provider_name", "agent_id", "session_id"), DROP),
    **dict.fromkeys(("instance_id", "filesystem_session_id", "session_storage_base", "agent_temporary_workspace", "main_agent"), DROP),
    # What MassGen 0.1 kept from providers where it stood here, too.
    **dict.fromkeys(("voting_sensitivity", "voting_threshold", "vote_only", "fairness_enabled", "fairness_lead_cap_answers"), _OF_ALL),
    **dict.fromkeys(("max_midstream_injections_per_round", "defer_peer_updates_until_restart", "final_answer_strategy", "write_mode"), _OF_ALL),
    **dict.fromkeys(("allow_midstream_peer_updates_before_checklist_submit", "max_checklist_calls_per_round", "checklist_first_answer"), _OF_ALL),
    **dict.fromkeys(("checklist_require_gap_report", "gap_report_mode", "drift_conflict_policy", "use_two_tier_workspace"), _OF_ALL),
    **dict.fromkeys(("plan_depth", "plan_thoroughness", "plan_target_steps", "plan_target_chunks", "subagent_types"), _OF_ALL),
    **dict.fromkeys(("novelty_injection", "improvements", "learning_capture_mode", "enable_execution_trace_analyzer"), _OF_ALL),
    **dict.fromkeys(("enable_quality_rethink_on_iteration", "enable_novelty_on_iteration", "orchestrator_managed_round_evaluator"), _OF_ALL),
    **dict.fromkeys((f"round_evaluator_{what}" for what in ("before_checklist", "skip_synthesis", "refine", "transformation_pressure")), _OF_ALL),
    **dict.fromkeys((f"checkpoint_{what}" for what in ("enabled", "mode", "guidance")), _OF_ALL),
    "checkpoint_gated_patterns": refuse("rules"),
    "disable_final_only_round_capture_fallback": DROP,
    **dict.fromkeys(("enable_nlip", "nlip", "nlip_config"), warn("no plugin speaks NLIP; agents talk as usual")),
    **dict.fromkeys(("coordination_mode", "presenter_agent"), _OF_ALL),
    "subtask": refuse("parts"),
    "enable_rate_limit": warn("limits of calls are the middleware ratelimit"),
    "betas": warn("beta features are an option of the backend anthropic"),
    "azure_endpoint": warn("this is an option of azure_openai, and does nothing here"),
    "azure_deployment": warn("this is an option of azure_openai, and does nothing here"),
    "api_version": warn("this is an option of azure_openai, and does nothing here"),
}

_OPENAI: Rules = {
    **dict.fromkeys(("reasoning", "text", "enable_web_search", "enable_code_interpreter", "enable_image_generation"), KEEP),
    **dict.fromkeys(("parallel_tool_calls", "service_tier", "store", "include", "project"), KEEP),
    "enable_code_execution": move("backend.enable_code_interpreter"),
    "enable_strict_tool_use": move("backend.strict_tools"),
    "upload_files": hand("openai_uploads"),
    "include": extra(),
}
_AZURE: Rules = {
    **_OPENAI,
    "base_url": move("backend.azure_endpoint"),
    "azure_endpoint": KEEP,
    "azure_deployment": move("model"),
    "api_version": warn("Azure's undated API is used: the dated ones of old files do not speak the Responses protocol"),
}
_ANTHROPIC: Rules = {
    **dict.fromkeys(("enable_web_search", "enable_code_execution", "betas"), KEEP),
    "enable_code_interpreter": move("backend.enable_code_execution"),
}
_GEMINI: Rules = {
    **dict.fromkeys(("enable_web_search", "enable_code_execution"), KEEP),
    "enable_code_interpreter": move("backend.enable_code_execution"),
    **dict.fromkeys(("top_k", "frequency_penalty", "presence_penalty"), warn("the backend gemini has no option for it; write `extra_body`")),
    "safety_settings": warn("write `safety` of the backend gemini"),
}
_CLAUDE: Rules = {
    **dict.fromkeys(("disallowed_tools", "permission_mode", "max_thinking_tokens", "max_turns", "add_dirs", "env"), KEEP),
    **dict.fromkeys(("system_prompt", "append_system_prompt", "cli_path", "fallback_model", "setting_sources"), KEEP),
    "enable_web_search": DROP,  # WebSearch is among its own tools
    "enable_code_execution": DROP,  # and so is Bash
    "enable_code_interpreter": DROP,
}
_GROK: Rules = {
    "enable_web_search": warn("x.ai takes no search in Chat Completions any more; give the agent an MCP server that searches"),
    "extra_body": hand("grok_body"),
}

TARGETS: Mapping[str, Target] = {
    "openai": Target(type="openai", rules=_OPENAI),
    "azure_openai": Target(type="openai", options={"azure_endpoint": "${AZURE_OPENAI_ENDPOINT}"}, rules=_AZURE),
    **dict.fromkeys(("claude", "anthropic"), Target(type="anthropic", rules=_ANTHROPIC)),
    "claude_code": Target(type="claude-code", rules=_CLAUDE),
    "gemini": Target(type="gemini", rules=_GEMINI),
    "grok": Target(type="chat", options={"preset": "grok"}, rules=_GROK),
    "chatcompletion": Target(type="chat"),
    "inference": Target(type="chat"),
    "qwen": Target(type="chat", options={"preset": "qwen", "key": "QWEN_API_KEY"}),
    "kimi": Target(type="chat", options={"preset": "moonshot"}),
    "nvidia_nim": Target(type="chat", options={"base_url": "https://integrate.api.nvidia.com/v1", "key": "NGC_API_KEY"}),
    **{
        name: Target(type="chat", options={"preset": name})
        for name in ("cerebras", "deepseek", "fireworks", "groq", "lmstudio", "moonshot", "nebius", "ollama", "openrouter", "poe")
    },
    **{name: Target(type="chat", options={"preset": name}) for name in ("sambanova", "sglang", "together", "vllm", "zai")},
}
FRAMEWORKS = frozenset({"ag2", "autogen", "agentscope", "crewai", "langchain", "langgraph", "openai_assistant", "smolagents"})
PROGRAMS = frozenset({"antigravity_cli", "codex", "copilot", "gemini_cli", "uitars"})

# Names that a backend had for a few versions.
ALIASES: Mapping[str, str] = {
    **dict.fromkeys(("claude-code", "claude-code-cli", "claude_code_cli", "claude_code_stream"), "claude_code"),
    "gemini-cli": "gemini_cli",
    "gemini_interactions": "gemini",
}

# `chatcompletion` was told its provider by the address: a pattern of its host, the preset, and the name of the key.
ADDRESSES: tuple[tuple[str, str, str], ...] = (
    ("api.openai.com", "openai", "OPENAI_API_KEY"),
    ("api.cerebras.ai", "cerebras", "CEREBRAS_API_KEY"),
    ("api.together.xyz", "together", "TOGETHER_API_KEY"),
    ("api.fireworks.ai", "fireworks", "FIREWORKS_API_KEY"),
    ("api.groq.com", "groq", "GROQ_API_KEY"),
    ("*.nebius.ai", "nebius", "NEBIUS_API_KEY"),
    ("*.nebius.com", "nebius", "NEBIUS_API_KEY"),
    ("openrouter.ai", "openrouter", "OPENROUTER_API_KEY"),
    ("api.moonshot.ai", "moonshot", "MOONSHOT_API_KEY"),
    ("api.moonshot.cn", "moonshot", "MOONSHOT_API_KEY"),
    ("api.poe.com", "poe", "POE_API_KEY"),
    ("dashscope*.aliyuncs.com", "qwen", "QWEN_API_KEY"),
    ("api.sambanova.ai", "sambanova", "SAMBANOVA_API_KEY"),
    ("api.z.ai", "zai", "ZAI_API_KEY"),
    ("open.bigmodel.cn", "zai", "ZAI_API_KEY"),
    ("api.x.ai", "grok", "XAI_API_KEY"),
    ("api.deepseek.com", "deepseek", "DEEPSEEK_API_KEY"),
    ("integrate.api.nvidia.com", "", "NGC_API_KEY"),
)

# A backend without a type was told by the beginning of the model's name.
MODELS: tuple[tuple[str, str], ...] = (
    ("gpt-oss", "cerebras"),
    ("gpt-", "openai"),
    ("chatgpt-", "openai"),
    ("o1", "openai"),
    ("o3", "openai"),
    ("o4", "openai"),
    ("claude-", "claude"),
    ("gemini-", "gemini"),
    ("grok-", "grok"),
    ("glm-", "zai"),
    ("kimi-", "moonshot"),
)
