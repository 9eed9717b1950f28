/* Every maximum in one place, unit in the name, reason beside it. Deadlines of the connection are
 * in responses.h (struct responses_deadlines), because tests shrink them. */
#ifndef LANEBRIDGE_BASE_LIMITS_H
#define LANEBRIDGE_BASE_LIMITS_H

#define KIB ((size_t)1024)
#define MIB (1024 * KIB)

/* Editor side */
#define LIMIT_LSP_HEADER_BYTES (8 * KIB)   /* two short headers are usual */
#define LIMIT_LSP_BODY_BYTES (64 * MIB)    /* didOpen of a 10 MiB file, escaped, several times over */
#define LIMIT_LSP_SKIP_BYTES (1024 * MIB)  /* a length beyond is a broken header, not a body */
#define LIMIT_LSP_HEAD_BYTES (64 * KIB)    /* of a skipped body: enough for method and URI */
#define LIMIT_LSP_TAIL_BYTES (4 * KIB)     /* of a skipped body: some clients put params first */
#define LIMIT_LSP_QUEUE_BYTES (64 * MIB)   /* unread output before we call the editor dead */
#define LIMIT_LSP_LEAVE_MS 1000            /* for output that is unread at exit */
#define LIMIT_JSONRPC_PENDING_COUNT 4096   /* requests of either side in flight */
#define LIMIT_JSON_DEPTH_COUNT 128         /* deeper is an attack, not a message */
#define LIMIT_DOCUMENT_BYTES (10 * MIB)    /* larger open files are "open, text unknown" */

/* Network side */
#define LIMIT_EVENT_BYTES (128 * MIB)      /* one server event; default of endpoint.maxEventBytes */
#define LIMIT_HTTP_HEADER_BYTES (64 * KIB)
#define LIMIT_HTTP_BODY_BYTES (64 * MIB)   /* a full history in one POST */
#define LIMIT_WS_QUEUE_BYTES (64 * MIB)    /* frames waiting to be written */
#define LIMIT_LANE_QUEUE_BYTES (32 * MIB)  /* one lane's request: half of the queue is left to others */
#define LIMIT_RESPONSE_BYTES (256 * MIB)   /* all events of one response: twice the largest event */
#define LIMIT_RESPONSE_EVENTS_COUNT 1000000 /* ten times what the longest answers have */
#define LIMIT_LANE_NAMES_COUNT 32          /* per connection, over its whole life (the protocol's) */
#define LIMIT_LANES_ACTIVE_COUNT 16        /* concurrent responses per connection (the protocol's) */

/* Agent */
#define LIMIT_TOOL_PARALLEL_COUNT 8
#define LIMIT_TURN_STEPS_COUNT 500         /* a turn that needs more is running in circles */
#define LIMIT_HELPERS_COUNT 4              /* of a turn at once; each takes a lane of the 16 */
#define LIMIT_HELPER_STEPS_COUNT 20        /* what needs more is not one question */
#define LIMIT_HELPER_OUTPUT_TOKENS 20000   /* then it has to answer with what it knows */
#define LIMIT_HELPER_CONTEXT_TOKENS 60000  /* the same, of what it has read and written */
#define LIMIT_HELPER_QUESTION_BYTES (8 * KIB)
#define LIMIT_HELPER_ANSWER_BYTES (16 * KIB) /* what stays in the conversation that asked */
#define LIMIT_TURN_SPANS_COUNT 1000        /* kept of a turn for trace, 80 bytes each; steps are 500 at most */
#define LIMIT_TURN_QUEUE_COUNT 32          /* prompts waiting behind a running turn */
#define LIMIT_ITEM_BYTES (64 * MIB)
#define LIMIT_IMAGE_BYTES (5 * MIB)        /* one image that is given along; a large screen has 2 */
#define LIMIT_IMAGES_BYTES (16 * MIB)      /* of one message, as base64: a lane takes 32 */
#define LIMIT_IMAGES_COUNT 8               /* of one message */
#define LIMIT_EDITOR_CONTEXT_MS 1000       /* what the editor shows; a prompt does not wait longer */
#define LIMIT_GIVEN_DIAGNOSTICS_MS 3000    /* diagnostics that are given along */
#define LIMIT_OPEN_FILES_COUNT 20          /* open files that are named to the model */
#define LIMIT_SURROUNDINGS_BYTES (8 * KIB) /* of a selection that nobody asked to be sent */

/* Workspace */
#define LIMIT_ROOTS_COUNT 64               /* folders open at once; each holds a descriptor */
#define LIMIT_TRUST_FILE_BYTES MIB         /* thousands of remembered folders */
#define LIMIT_WALK_DEPTH_COUNT 100         /* folders within folders; each holds a descriptor */
#define LIMIT_WALK_ENTRIES_COUNT 100000    /* names of one folder, which are sorted in memory */
#define LIMIT_REGEX_BYTES (16 * KIB)       /* one pattern */
#define LIMIT_REGEX_STEPS_COUNT 2000000    /* of one match attempt: some 20 ms */
#define LIMIT_REGEX_HEAP_BYTES (16 * MIB)
#define LIMIT_GREP_TEXT_BYTES (4 * MIB)    /* of all matching lines of one search */

/* Tools */
#define LIMIT_PATCH_BYTES MIB
#define LIMIT_PATCH_OPS_COUNT 100
#define LIMIT_PATCH_HUNKS_COUNT 1000       /* hunks and anchors: each is searched in the whole file */
#define LIMIT_EDIT_FILE_BYTES (16 * MIB)
#define LIMIT_READ_LINES_COUNT 2000
#define LIMIT_READ_LINE_CHARS_COUNT 2000
#define LIMIT_READ_BYTES (48 * KIB)
#define LIMIT_READ_ON_LOOP_BYTES (128 * KIB) /* some 20 us; the way through the pool costs more */
#define LIMIT_LIST_COUNT 500
#define LIMIT_FIND_COUNT 200
#define LIMIT_GLOB_BYTES 1024              /* one pattern, also of an ignore file */
#define LIMIT_IGNORE_BYTES MIB             /* of one ignore file; rules beyond it are not read */
#define LIMIT_GREP_COUNT 500
#define LIMIT_GREP_FILE_BYTES (8 * MIB)
#define LIMIT_GREP_MS 20000
#define LIMIT_EXEC_SESSIONS_COUNT 16
#define LIMIT_EXEC_RING_BYTES MIB          /* kept per session; the middle is dropped */
#define LIMIT_EXEC_MODEL_BYTES (40 * KIB)  /* of one command's output shown to the model */
#define LIMIT_EXEC_FOREGROUND_MS (10 * 60 * 1000)
#define LIMIT_EXEC_ROOM_BYTES (256 * MIB)  /* left on the disk: journal and editor must go on writing */
#define LIMIT_EXEC_ROOM_MS 500             /* how often that is looked at */
#define LIMIT_EXEC_KILL_GRACE_MS 2000      /* SIGTERM to SIGKILL */
#define LIMIT_PROCESS_QUIET_MS 100         /* after exit: silence that ends what a grandchild holds */
#define LIMIT_PROCESS_DRAIN_MS 2000        /* after exit: a grandchild that keeps talking is cut off */
#define LIMIT_EXEC_BACKGROUND_MS (30 * 60 * 1000)
#define LIMIT_EXEC_STDIN_BYTES (64 * KIB)  /* of one write_stdin; as much again may wait unread */
#define LIMIT_EXEC_PROGRESS_BYTES (256 * KIB) /* of one call's output shown live; the rest at the end */
#define LIMIT_EXEC_BINDS_COUNT 200         /* unsaved files in one sandbox: 200 binds cost 45 ms */
#define LIMIT_EXEC_KNOWN_COUNT 256         /* files whose texts are kept while a command runs, to undo it */
#define LIMIT_EXEC_KNOWN_BYTES (8 * MIB)   /* of them: some 3 ms to read again before a command */
#define LIMIT_EXEC_TOUCHED_COUNT 200       /* other files that are named after a command, per folder */
#define LIMIT_EXEC_SEEN_COUNT 1000         /* files whose unsaved text commands saw, until it is gone */
#define LIMIT_PLAN_STEPS_COUNT 50
#define LIMIT_TOOL_OUTPUT_BYTES (64 * KIB) /* of any tool: a read's 48 KiB and its notes */
#define LIMIT_TOOL_BASES_BYTES (64 * MIB)  /* texts remembered as shown, per thread */
#define LIMIT_TOOL_BASES_COUNT 1000
#define LIMIT_EDIT_ATTEMPTS_COUNT 5        /* plans of one edit while the user keeps typing */
#define LIMIT_DIAGNOSTICS_COUNT 50         /* given to the model at once */
#define LIMIT_DIAGNOSTICS_MS 5000          /* the diagnostics tool waits for a language server */
#define LIMIT_EDIT_DIAGNOSTICS_MS 2000     /* after an edit; most language servers need less */
#define LIMIT_DIAGNOSTICS_KEPT_COUNT 1000  /* of one file, to tell which are new */
#define LIMIT_LOCATIONS_COUNT 200
#define LIMIT_EDITOR_ANSWER_MS 20000       /* references in a large project that is not indexed yet */
#define LIMIT_SPOT_FILE_BYTES (2 * MIB)    /* of a file in which a symbol is looked up: some 0.3 ms */
#define LIMIT_SYMBOL_BYTES 200             /* of a name, or of the line it stands in */
#define LIMIT_PROPOSAL_FILES_COUNT 500     /* of one edit a language server makes: a widely used name */
#define LIMIT_PROPOSAL_BYTES (64 * MIB)    /* of their texts */
#define LIMIT_QUESTIONS_COUNT 3            /* of one ask_user */
#define LIMIT_QUESTION_OPTIONS_COUNT 6
#define LIMIT_QUESTION_BYTES 1000          /* of each text of it */
#define LIMIT_ANSWER_BYTES (16 * KIB)      /* of what the person writes instead of choosing */
#define LIMIT_AGENTS_MD_BYTES (32 * KIB)

/* Servers of the Model Context Protocol */
#define LIMIT_MCP_SERVERS_COUNT 32
#define LIMIT_MCP_NAME_BYTES 32            /* of a server, in the setting */
#define LIMIT_MCP_TOOLS_COUNT 100          /* of all servers: endpoints take 128, ours included */
#define LIMIT_MCP_TOOLS_BYTES (256 * KIB)  /* their definitions may travel with every request */
#define LIMIT_MCP_SCHEMA_BYTES (32 * KIB)  /* of one tool */
#define LIMIT_MCP_DESCRIPTION_BYTES (4 * KIB)
#define LIMIT_MCP_PAGES_COUNT 50           /* of one list of tools */
#define LIMIT_MCP_MESSAGE_BYTES (16 * MIB) /* one line, event or body: an image or two */
#define LIMIT_MCP_STDERR_BYTES 1024        /* its end, kept for saying why a server ended */
#define LIMIT_MCP_STDERR_LINES_COUNT 100   /* of one start that are logged */
#define LIMIT_MCP_TOKEN_BYTES (16 * KIB)
#define LIMIT_MCP_START_MS 60000           /* a package may have to be fetched first */
#define LIMIT_MCP_WAIT_MS 10000            /* a turn waits for servers; then it goes on without */
#define LIMIT_MCP_CALL_MS (5 * 60 * 1000)
#define LIMIT_MCP_SECONDS_COUNT 3600       /* most that the setting can ask for */
#define LIMIT_MCP_RESTARTS_COUNT 5         /* in a row, without a call that was answered */
#define LIMIT_MCP_STOP_MS 1000

/* Local endpoint */
#define LIMIT_ENDPOINT_CONNS_COUNT 256     /* WebSockets at once: every editor window of one user */
#define LIMIT_ENDPOINT_QUEUE_COUNT 256     /* requests waiting on one connection */
#define LIMIT_ENDPOINT_STORED_COUNT 4096   /* stored responses in memory; the oldest goes first */
#define LIMIT_ENDPOINT_MEMORY_BYTES (1024 * MIB) /* of conversations; then caches are emptied */
#define LIMIT_ENDPOINT_REQUESTS_COUNT 8192 /* running and waiting: twice what all lanes can run */
#define LIMIT_ENDPOINT_INCOMING_BYTES (256 * MIB) /* of messages and bodies not whole yet */
#define LIMIT_ENDPOINT_FILE_BYTES (1024 * MIB) /* of the store's file; the oldest go first */
#define LIMIT_ENDPOINT_UNREAD_BYTES MIB    /* unsent events before an answer waits for its reader */
#define LIMIT_ENDPOINT_IMAGES_COUNT 256    /* known by hash on one connection, 100 bytes each */
#define LIMIT_CHECK_MS 10000               /* a check that does not answer refuses */
#define LIMIT_CHECK_PENDING_COUNT 1024     /* requests before the check command at once */
#define LIMIT_CHECK_LINE_BYTES (64 * KIB)  /* one answer of it */
#define LIMIT_VOCAB_BYTES (16 * MIB)       /* a rank file; that of 200,000 tokens is 3.6 MB */
#define LIMIT_SPLIT_STEPS_COUNT 10000000   /* of one piece of text: a run of some MB costs one each */
#define LIMIT_UPSTREAM_OUTPUT_BYTES (64 * MIB) /* of one answer, with the JSON around each token */
#define LIMIT_UPSTREAM_CALLS_COUNT 256     /* tool calls in one answer */
#define LIMIT_UPSTREAM_ERROR_BYTES MIB     /* of a body that is no stream */
#define LIMIT_UPSTREAM_SLOTS_COUNT 256     /* of llama.cpp, that lanes are kept on */
#define LIMIT_UPSTREAM_SILENT_MS (15 * 60 * 1000) /* a long prompt on a slow machine, without a byte */
#define LIMIT_REPLAY_ITEMS_COUNT 64        /* items one step emits */
#define LIMIT_REPLAY_REPEAT_COUNT 1000000

/* Journal */
#define LIMIT_BLOB_STORE_BYTES (500 * MIB)
#define LIMIT_REVIEW_FILES_COUNT 1000      /* with pending hunks; older ones stay as they are */
#define LIMIT_LEASE_MS 30000               /* a lease not renewed for this long may be taken */

#endif
