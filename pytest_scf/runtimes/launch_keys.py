"""The keys of what an instance is told at its start: a JSON object, the payload of a LAUNCH and of a SPEC frame.

The table for what runs inside instances in Python 3.6 and later, where there is no typed class for it; ``node.js``
reads the same. ``instances.launch_spec.LaunchSpec`` has a field for each key, with its type.
"""

ID = "id"  # of the instance
FD_COUNT = "fd_count"  # the number of descriptors that are sent with it
ENVIRON = "environ"  # the variables of the user's process
CONTEXT = "context"  # the handler's ``context``, but for the request id
TMP_BYTES = "tmp_bytes"  # the size of /tmp, where it has one
SHM_BYTES = "shm_bytes"  # the size of /dev/shm, where it has one
HANDLER = "handler"  # "file.function", as the API has it
CODE_SOURCE = "code_source"  # the directory of the machine that is mounted at the code root; "": none
CODE_ROOT = "code_root"  # the directory of the code, as the user's process sees it
LAYERS_SOURCE = "layers_source"  # the directory of the machine that is mounted at /opt; "": none
LAYERS_ROOT = "layers_root"  # the directory of the layers, as the user's process sees it
TMP = "tmp"  # the directory for temporary files, as the user's process sees it
KEEP_VISIBLE = "keep_visible"  # directories that stay where they are: an interpreter, packages
BIND_MOUNTS = "bind_mounts"  # directories that are seen elsewhere: pairs of where each is, and where it is seen
SHARED_MOUNTS = "shared_mounts"  # the same, of directories that may be written to
PATH = "path"  # where Python looks for modules, after the code
WATCH_TMP = "watch_tmp"  # whether files of the machine's /tmp that the handler touches are reported
COMMAND = "command"  # the program that the user's process executes, with arguments; null: it is a fork
COVERAGE = "coverage"  # what lines are counted; null: none. See below
API_PORT = "api_port"  # the port of 127.0.0.1 on which the cloud's API is reached; 0: none
OPTIONS = "options"  # choices of the runtime. See below
PROBE = "probe"  # the configuration of ``runtimes.probe.inside``; null: no probe is loaded
SERVER = "server"  # the server or bootstrap that the user's process is; null: it calls a handler. See below

SPEC = (
    *(ID, FD_COUNT, ENVIRON, CONTEXT, TMP_BYTES, SHM_BYTES, HANDLER, CODE_SOURCE, CODE_ROOT, LAYERS_SOURCE),
    *(LAYERS_ROOT, TMP, KEEP_VISIBLE, BIND_MOUNTS, SHARED_MOUNTS, PATH, WATCH_TMP, COMMAND, COVERAGE, API_PORT),
    *(OPTIONS, PROBE, SERVER),
)

# Of "coverage".
BRANCH = "branch"  # whether pairs of lines are counted, not lines
INCLUDE = "include"  # patterns of the files, besides those of the code root
CONTEXTS = "contexts"  # whether lines are counted anew after each time that they are handed out
OWN_TRACER = "own_tracer"  # whether the interpreter has no coverage package of the test's

COVERAGE_SPEC = (BRANCH, INCLUDE, CONTEXTS, OWN_TRACER)

# Of "server".
KIND = "kind"  # "image", "web" or "custom"
SERVER_COMMAND = "command"  # a program and its arguments
CWD = "cwd"  # its working directory as it sees it; null: the code root, or that of the image in a container
PORT = "port"  # the port on which it listens
HOST_PORTS = "host_ports"  # ports of the machine that it finds on 127.0.0.1 of a network of its own
IMAGE = "image"  # what a launcher runs; null: it is a process
ARGUMENTS = "arguments"  # of what a launcher runs: what takes the place of the image's CMD; null: nothing

SERVER_SPEC = (KIND, SERVER_COMMAND, CWD, PORT, HOST_PORTS, IMAGE, ARGUMENTS)

# Of "options".
NODE_CALLBACK_WAITS = "node_callback_waits"  # what context.callbackWaitsForEmptyEventLoop is at first

# Of "context", which is the cloud's (docs/cloud-contract.md).
MEMORY_LIMIT = "memory_limit_in_mb"
TIME_LIMIT = "time_limit_in_ms"
