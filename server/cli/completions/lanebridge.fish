complete -c lanebridge -f
complete -c lanebridge -n __fish_use_subcommand -a lsp -d 'the language server'
complete -c lanebridge -n __fish_use_subcommand -a run -d 'one agent turn on a folder'
complete -c lanebridge -n __fish_use_subcommand -a endpoint -d 'a local Responses endpoint'
complete -c lanebridge -n __fish_use_subcommand -a doctor -d 'looks at what a turn needs'
complete -c lanebridge -n __fish_use_subcommand -a trace -d 'where the time of a turn went'
complete -c lanebridge -n __fish_use_subcommand -a log -d 'what ran and what was sent'
complete -c lanebridge -n __fish_use_subcommand -a rules -d 'approvals that are remembered'
complete -c lanebridge -n '__fish_seen_subcommand_from log' -l sent
complete -c lanebridge -n '__fish_seen_subcommand_from log' -l limit -r
complete -c lanebridge -n '__fish_seen_subcommand_from rules' -a 'list delete'
complete -c lanebridge -n '__fish_seen_subcommand_from doctor log rules trace' -l json
complete -c lanebridge -n '__fish_seen_subcommand_from trace' -l perfetto
complete -c lanebridge -n '__fish_seen_subcommand_from lsp' -l stdio
complete -c lanebridge -n '__fish_seen_subcommand_from run' -s C -r -a '(__fish_complete_directories)'
complete -c lanebridge -n '__fish_seen_subcommand_from run' -l json
complete -c lanebridge -n '__fish_seen_subcommand_from run' -l yes-to-commands
complete -c lanebridge -n '__fish_seen_subcommand_from endpoint' -l listen -r
complete -c lanebridge -n '__fish_seen_subcommand_from endpoint' -l engine -r -a 'replay upstream:http://127.0.0.1:8080'
complete -c lanebridge -n '__fish_seen_subcommand_from endpoint' -l upstream-model -r
complete -c lanebridge -n '__fish_seen_subcommand_from endpoint' -l upstream-key-env -r
complete -c lanebridge -n '__fish_seen_subcommand_from endpoint' -l upstream-api -r -a 'auto responses chat'
complete -c lanebridge -n '__fish_seen_subcommand_from endpoint' -l token-file -r -F
complete -c lanebridge -n '__fish_seen_subcommand_from endpoint' -l age-limit -r
complete -c lanebridge -n '__fish_seen_subcommand_from endpoint' -l trace -r -F
complete -c lanebridge -n '__fish_seen_subcommand_from endpoint' -l store -r -F
complete -c lanebridge -n '__fish_seen_subcommand_from endpoint' -l idle-limit -r
complete -c lanebridge -n '__fish_seen_subcommand_from endpoint' -l max-memory -r
complete -c lanebridge -n '__fish_seen_subcommand_from endpoint' -l max-store -r
complete -c lanebridge -n '__fish_seen_subcommand_from endpoint' -l max-connections -r
complete -c lanebridge -n '__fish_seen_subcommand_from endpoint' -l max-lanes -r
complete -c lanebridge -n '__fish_seen_subcommand_from endpoint' -l max-requests -r
complete -c lanebridge -n '__fish_seen_subcommand_from endpoint' -l without-lanes
complete -c lanebridge -n '__fish_seen_subcommand_from endpoint' -l without-warm-up
complete -c lanebridge -n '__fish_seen_subcommand_from endpoint' -l vocab -rF
complete -c lanebridge -n '__fish_seen_subcommand_from endpoint' -l check -x
complete -c lanebridge -n '__fish_seen_subcommand_from endpoint' -l without -xa 'tokens validation routing bookkeeping response-cache'
complete -c lanebridge -n '__fish_seen_subcommand_from endpoint' -l prototype-append
complete -c lanebridge -n '__fish_seen_subcommand_from endpoint' -l without-steering
complete -c lanebridge -n '__fish_seen_subcommand_from endpoint' -l without-compact
complete -c lanebridge -n '__fish_seen_subcommand_from endpoint' -l without-context-management
complete -c lanebridge -n '__fish_seen_subcommand_from endpoint' -l without-additional-tools
