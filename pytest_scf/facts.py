"""The cloud's numbers and words, once: limits, defaults, paths, ports and status words of the API 2018-04-16.

Every room reads them here. A leaf: it imports nothing, and Python 3.6 and later can load it, since the runtimes inside
instances do.
"""

MIB = 1024 * 1024

# An event and its answer ---------------------------------------------------------------------------------------------

#: bytes of the event of a synchronous invocation
SYNC_EVENT_BYTES = 6 * MIB
#: bytes of the event of an asynchronous invocation
ASYNC_EVENT_BYTES = 128 * 1024
#: bytes of what a function answers
RESPONSE_BYTES = 6 * MIB
#: bytes of the body of a web function's request and of its response
WEB_BODY_BYTES = 6 * MIB
#: bytes of the headers of a web function's response, in all
WEB_HEADERS_BYTES = 4 * 1024
#: bytes of a frame of a WebSocket connection
WEBSOCKET_FRAME_BYTES = MIB
#: seconds without a byte after which a WebSocket connection is ended
WEBSOCKET_IDLE_DEFAULT = 15
WEBSOCKET_IDLE = (1, 1800)
#: bytes of RoutingKey
ROUTING_KEY_BYTES = 1024
#: bytes of the log that LogType Tail returns, from its end
LOG_TAIL_BYTES = 4096

# The file system and the network of an instance ----------------------------------------------------------------------

CODE_ROOT = "/var/user"
LANGUAGES_ROOT = "/var/lang"
LAYERS_ROOT = "/opt"
#: the port on which image and web functions listen
SERVER_PORT = 9000
#: bytes of /tmp
TMP_BYTES = 512 * MIB

# A function ----------------------------------------------------------------------------------------------------------

DEFAULT_NAMESPACE = "default"
LATEST = "$LATEST"
DEFAULT_ALIAS = "$DEFAULT"
DEFAULT_FUNCTION = "main_handler"
DEFAULT_HANDLER = "index.main_handler"
#: the shortest and the longest, in characters
NAME_LENGTH = (2, 60)
NAMESPACE_LENGTH = (1, 60)
ALIAS_LENGTH = (1, 64)
DESCRIPTION_LENGTH = 1000
RESERVED_PREFIXES = ("SCF_", "QCLOUD_", "TENCENTCLOUD_")
#: bytes of a function's code with its layers, unpacked
CODE_BYTES = 500 * MIB
#: directories within directories. Choice: the documents give no depth; some programs walk a tree by recursion
CODE_LEVELS = 100

LAYER_NAME_LENGTH = (1, 64)
#: bytes of the zip of a layer
LAYER_ZIP_BYTES = 50 * MIB
#: layers that a function may have, all layers, and the versions of one
LAYERS_OF_A_FUNCTION = 5
LAYERS = 20
LAYER_VERSIONS = 200

#: file systems that a function may have, and where it may not have them: there and below, and there alone
FILE_SYSTEMS_OF_A_FUNCTION = 3
NO_FILE_SYSTEMS_BELOW = (
    *("/bin", "/boot", "/code", "/dev", "/etc", "/lib", "/lib64", "/media", "/opt", "/proc", "/root", "/run"),
    *("/sbin", "/srv", "/sys", "/tmp", "/usr", "/var", "/data/scf"),
)
NO_FILE_SYSTEMS_AT = ("/", "/home", "/data")

# In MB.
MEMORY_DEFAULT = 128
MEMORY_SMALLEST = 64
MEMORY_STEP = 128
MEMORY_LARGEST = 3072

# In seconds.
TIMEOUT_DEFAULT = 3
TIMEOUT_LARGEST = 900
ASYNC_TIMEOUT_DEFAULT = ASYNC_TIMEOUT_LARGEST = 86400
INIT_TIMEOUT_DEFAULT = 65
IMAGE_INIT_TIMEOUT_DEFAULT = 90
# Choice: the documents give the defaults but no range; 300 s leaves room for both.
INIT_TIMEOUT_LARGEST = 300

# Asynchronous invocations of a function without asynchronous execution.
RETRY_NUM_DEFAULT = RETRY_NUM_LARGEST = 2
#: seconds
MSG_TTL_DEFAULT = MSG_TTL_LARGEST = 6 * 3600
MSG_TTL_SMALLEST = 60

# Triggers ------------------------------------------------------------------------------------------------------------

#: triggers of one kind that a function may have
TRIGGERS_OF_A_KIND = 10
#: timed actions that change the provisioned concurrency of a version; a choice, as the number is not documented
PROVISION_ACTIONS = 10
#: rules of triggers that a bucket may have
COS_RULES_OF_A_BUCKET = 10
TRIGGER_NAME_LENGTH = 100
#: bytes of CustomArgument
CUSTOM_ARGUMENT_BYTES = 4 * 1024

# The status of an event ----------------------------------------------------------------------------------------------

RUNNING = "RUNNING"
FINISHED = "FINISHED"
FAILED = "FAILED"
ABORTED = "ABORTED"
STATUSES = (RUNNING, FINISHED, FAILED, ABORTED)
#: hours after its end in which an event's status can be asked for, and which the list of events reaches back
RETENTION_HOURS = 72.0
