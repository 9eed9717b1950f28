// All of them in one process, and then every frame of theirs against the types of the openai package.
import "./http.test.mjs";
import "./sockets.test.mjs";
import "./agents.test.mjs";
import "./open-responses.test.mjs";
import "./upstream.test.mjs";
import "./tokens.test.mjs";
import "./types.test.mjs";
