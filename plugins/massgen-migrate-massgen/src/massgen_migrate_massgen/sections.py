"""What became of the other sections of the old format, as data; paths lead into the whole document of today."""

from __future__ import annotations

from massgen_migrate_massgen.rules import DROP, Rules, hand, move, refuse, warn

__all__ = ["AGENT", "AGENT_TODAY", "COORDINATION", "ORCHESTRATOR", "TIMEOUTS", "TOP", "TOP_TODAY", "UI"]

_FOLDER = warn("each run has a folder of its own; massgen runs lists them")
_FAIR = warn("no setting of today's strategies; agents take turns as they finish")
_CHECKLIST = warn("no strategy works through checklists")
_NLIP = warn("no plugin speaks NLIP; agents talk as usual")
_MEMORY = warn("no plugin remembers from run to run; massgen chat goes on within one conversation")
_ROUND = warn("a turn has no time-out of its own; limits.seconds and model_idle_seconds are kept")
_SUBAGENTS = warn("agents have no agents of their own")
_PLANS = warn("no plugin keeps task plans for agents")
_SKILLS = warn("no plugin provides skills")
_PERSONAS = warn("no plugin writes personas, parts or better questions; say it in the system messages")
_CHECKPOINT = warn("no strategy has checkpoints")
_EVALUATION = warn("answers are judged by the agents' votes alone")
_PASSED = warn("MassGen 0.1 passed over it, and so does today's")
_SCREEN = warn("no setting of today's displays")
_CALLS = warn("agents do not call out to each other or to a person")
_REFINE = warn("no setting of today's strategies")

TOP: Rules = {
    "agents": hand("agents"),
    "agent": hand("agent"),
    "orchestrator": hand("orchestrator"),
    "timeout_settings": hand("timeouts"),
    "timeout": hand("timeouts"),
    "ui": hand("ui"),
    "display": hand("ui"),
    "coordination": hand("coordination"),
    "memory": _MEMORY,
    "hooks": refuse("code"),
    "nlip": _NLIP,
    **dict.fromkeys(("orchestration", "session", "test_settings"), _PASSED),
    "session_id": warn("a conversation is kept by massgen chat"),
    "task": warn("the question stands on the command line: massgen run QUESTION"),
    "version": DROP,
    **dict.fromkeys(
        ("models", "model_configs", "num_agents", "max_rounds", "consensus_threshold", "voting_enabled", "enable_voting"), refuse("first")
    ),
}

# What today's format has at the same places: a file with these lacks its first line.
TOP_TODAY = (
    *("include", "strategy", "toolsets", "middlewares", "classifiers", "permissions", "sinks", "limits", "context_paths", "workspaces", "prices"),
    *("plugins", "durability", "seed", "model_idle_seconds", "tool_seconds", "tool_output"),
)
AGENT_TODAY = (
    *("model", "system", "sampling", "reasoning_effort", "toolsets", "permissions", "limits", "workspace", "shares_workspace"),
    *("context_paths", "options"),
)

AGENT: Rules = {
    "id": hand("name"),
    "name": hand("name"),
    "backend": hand("backend"),
    "system_message": hand("system"),
    "append_system_prompt": hand("append"),
    "custom_system_instruction": hand("system"),
    "cwd": hand("cwd"),
    "nlip": _NLIP,
    "enable_nlip": _NLIP,
    "description": DROP,
    "main_agent": DROP,
    **dict.fromkeys(("allowed_tools", "exclude_tools", "disallowed_tools"), refuse("inside")),
    "append_system_message": warn("MassGen 0.1 passed over it; write `append_system_prompt`"),
    "persistent_memory": _MEMORY,
    "subtask": refuse("parts"),
    "subagent_agents": _SUBAGENTS,
}

ORCHESTRATOR: Rules = {
    "snapshot_storage": _FOLDER,
    "agent_temporary_workspace": _FOLDER,
    "session_storage": _FOLDER,
    "context_paths": hand("paths"),
    "coordination": hand("coordination"),
    "voting_sensitivity": move("strategy.voting_sensitivity"),
    "max_new_answers_per_agent": move("strategy.max_answers_per_agent"),
    "answer_novelty_requirement": hand("novelty"),
    "skip_final_presentation": hand("skip_presentation"),
    "final_answer_strategy": hand("final"),
    "disable_injection": hand("restart"),
    "defer_peer_updates_until_restart": hand("restart"),
    "coordination_mode": hand("mode"),
    "presenter_agent": refuse("parts"),
    "timeout": hand("timeouts"),
    "voting_threshold": _CHECKLIST,
    "max_new_answers_global": warn("answers are counted by agent: strategy.max_answers_per_agent"),
    **dict.fromkeys(
        ("fairness_enabled", "fairness_lead_cap_answers", "max_midstream_injections_per_round", "defer_voting_until_all_answered"), _FAIR
    ),
    **dict.fromkeys(
        (
            "allow_midstream_peer_updates_before_checklist_submit",
            "max_checklist_calls_per_round",
            "checklist_first_answer",
            "checklist_require_gap_report",
            "gap_report_mode",
        ),
        _CHECKLIST,
    ),
    **dict.fromkeys(("coordination_rounds", "max_coordination_rounds"), _PASSED),
    "skip_voting": warn("to let one agent answer alone use the strategy single"),
    "skip_coordination_rounds": warn("a switch for tests of MassGen 0.1; agents answer and vote as usual"),
    "debug_final_answer": warn("a switch for tests of MassGen 0.1; scripted answers come from the backend scripted"),
    "max_orchestration_restarts": _EVALUATION,
    "max_turns": warn("massgen chat has no number of turns"),
    "interactive_mode": DROP,
    "type": DROP,
    "docker": warn("sandboxes are executors"),
    "dspy": warn("no plugin writes variants of the question; every agent gets it as it is"),
    **dict.fromkeys(("nlip", "enable_nlip", "nlip_config"), _NLIP),
    "skills_directory": _SKILLS,
    "enable_multimodal_tools": warn("no plugin has tools that see, hear or make images, audio and video; agents work without them"),
    "multimodal_config": DROP,
    **dict.fromkeys(("image_generation_backend", "audio_generation_backend", "video_generation_backend"), DROP),
    **dict.fromkeys(("image_generation_model", "audio_generation_model", "video_generation_model"), DROP),
}

COORDINATION: Rules = {
    "enable_planning_mode": hand("planning"),
    "planning_mode_instruction": DROP,
    "max_orchestration_restarts": _EVALUATION,
    **dict.fromkeys(("enable_agent_task_planning", "max_tasks_per_plan", "task_planning_filesystem_mode", "plan_depth"), _PLANS),
    **dict.fromkeys(
        ("use_skills", "skills_directory", "load_previous_session_skills", "massgen_skills", "learning_capture_mode", "skill_lifecycle_mode"), _SKILLS
    ),
    **dict.fromkeys(("enable_memory_filesystem_mode", "compression_target_ratio", "compression_trigger_threshold", "resume_from_log"), _MEMORY),
    **dict.fromkeys(
        (
            "enable_subagents",
            "subagent_default_timeout",
            "subagent_min_timeout",
            "subagent_max_timeout",
            "subagent_max_concurrent",
            "subagent_orchestrator",
            "subagent_types",
            "subagent_round_timeouts",
            "subagent_runtime_mode",
            "subagent_runtime_fallback_mode",
            "subagent_host_launch_prefix",
            "async_subagents",
            "background_subagents",
        ),
        _SUBAGENTS,
    ),
    **dict.fromkeys(("broadcast", "broadcast_sensitivity", "max_broadcasts_per_agent", "broadcast_timeout", "broadcast_wait_by_default"), _CALLS),
    **dict.fromkeys(
        (
            "checklist_criteria_preset",
            "checklist_criteria_inline",
            "criteria_mode",
            "auto_trace_analysis",
            "bootstrap_max_per_agent_per_round",
            "bootstrap_max_total",
            "evaluation_criteria_generator",
            "evolving_criteria",
            "evolving_criteria_min_high_score_count",
            "enable_execution_trace_analyzer",
            "orchestrator_managed_round_evaluator",
            "round_evaluator_before_checklist",
            "round_evaluator_refine",
            "round_evaluator_skip_synthesis",
            "enable_evaluator_personas",
            "enable_quality_rethink_on_iteration",
            "enable_novelty_on_iteration",
            "novelty_injection",
            "round_evaluator_transformation_pressure",
            "pre_collab_voting_threshold",
            "max_verifications_per_round",
            "max_internal_fix_loops",
            "standalone_checkpoint",
        ),
        _EVALUATION,
    ),
    **dict.fromkeys(("checkpoint_enabled", "checkpoint_mode", "checkpoint_guidance"), _CHECKPOINT),
    "checkpoint_gated_patterns": hand("gated"),
    "persona_generator": _PERSONAS,
    **dict.fromkeys(("task_decomposer", "prompt_improver"), _PERSONAS),
    **dict.fromkeys(("use_two_tier_workspace", "write_mode", "drift_conflict_policy", "enable_changedoc"), _FOLDER),
    **dict.fromkeys(("fast_iteration_mode", "skip_redundant_scaffolding", "response_depth", "improvements"), _REFINE),
}

TIMEOUTS: Rules = {
    "orchestrator_timeout_seconds": move("limits.seconds"),
    **dict.fromkeys(("initial_round_timeout_seconds", "subsequent_round_timeout_seconds", "round_timeout_grace_seconds"), _ROUND),
    "agent_timeout_seconds": hand("agent_seconds"),
}

UI: Rules = {
    "display_type": hand("display"),
    "type": hand("display"),
    "logging_enabled": DROP,  # a run is always written down
    **dict.fromkeys(("show_reasoning", "show_screenshots", "theme", "refresh_rate", "automation_mode", "skip_agent_selector"), _SCREEN),
    "use_orchestrator_for_single_agent": DROP,
    "debug": DROP,
}
