"""Top-level constants that are there without the repository: to open one again does not make it one's own."""

# How a file opens a constant, the strongest first: by an assignment or with a superclass, with a body that
# says something of the module itself, with constants only, or to nest other modules.
FORMS = ("made", "body", "constants", "nesting")
# Of the language itself: `Object.constants` before anything is required.
CORE = {
    "ARGF", "ARGV", "ArgumentError", "Array", "BasicObject", "Binding", "Class", "ClosedQueueError",
    "Comparable", "Complex", "ConditionVariable", "Data", "Dir", "ENV", "EOFError", "Encoding",
    "EncodingError", "Enumerable", "Enumerator", "Errno", "Exception", "FalseClass", "Fiber",
    "FiberError", "File", "FileTest", "Float", "FloatDomainError", "FrozenError", "GC", "Gem", "Hash",
    "IO", "IOError", "IndexError", "Integer", "Interrupt", "Kernel", "KeyError", "LoadError",
    "LocalJumpError", "Marshal", "MatchData", "Math", "Method", "Module", "Monitor", "MonitorMixin",
    "Mutex", "NameError", "NilClass", "NoMatchingPatternError", "NoMatchingPatternKeyError",
    "NoMemoryError", "NoMethodError", "NotImplementedError", "Numeric", "Object", "ObjectSpace", "Proc",
    "Process", "Queue", "RUBY_COPYRIGHT", "RUBY_DESCRIPTION", "RUBY_ENGINE", "RUBY_ENGINE_VERSION",
    "RUBY_PATCHLEVEL", "RUBY_PLATFORM", "RUBY_RELEASE_DATE", "RUBY_REVISION", "RUBY_VERSION", "Ractor",
    "Random", "Range", "RangeError", "Rational", "RbConfig", "Refinement", "Regexp", "RegexpError",
    "RubyVM", "RuntimeError", "STDERR", "STDIN", "STDOUT", "ScriptError", "SecurityError", "Signal",
    "SignalException", "SizedQueue", "StandardError", "StopIteration", "String", "Struct", "Symbol",
    "SyntaxError", "SystemCallError", "SystemExit", "SystemStackError", "TOPLEVEL_BINDING", "Thread",
    "ThreadError", "ThreadGroup", "Time", "TracePoint", "TrueClass", "TypeError", "UnboundMethod",
    "UncaughtThrowError", "Warning", "ZeroDivisionError",
}  # fmt: skip
# Of the standard library, and of frameworks that often come by another gem's name: in their own repositories
# a file has their name.
KNOWN = CORE | {
    "Abbrev", "Addrinfo", "Base64", "BasicSocket", "Benchmark", "BigDecimal", "BigMath", "Bundler",
    "CGI", "CSV", "Coverage", "DRb", "Date", "DateTime", "Delegator", "DidYouMean", "Digest", "ERB",
    "Etc", "Fcntl", "Fiddle", "FileUtils", "Find", "Forwardable", "GetoptLong", "IPAddr", "IPSocket",
    "IRB", "JSON", "Logger", "Matrix", "Minitest", "Net", "Observable", "Open3", "OpenSSL",
    "OpenStruct", "OpenURI", "OptParse", "OptionParser", "PP", "PStore", "PTY", "Pathname",
    "PrettyPrint", "Prime", "Psych", "RDoc", "REXML", "RSS", "Racc", "Rake", "Readline", "Reline",
    "Resolv", "Rinda", "Ripper", "SecureRandom", "Set", "Shellwords", "SimpleDelegator",
    "SingleForwardable", "Singleton", "Socket", "SocketError", "SortedSet", "StringIO", "StringScanner",
    "Syslog", "TCPServer", "TCPSocket", "TSort", "Tempfile", "Test", "Timeout", "UDPSocket",
    "UNIXServer", "UNIXSocket", "URI", "Vector", "WEBrick", "WeakRef", "YAML", "Zlib",
    "AbstractController", "ActionCable", "ActionController", "ActionDispatch", "ActionMailbox",
    "ActionMailer", "ActionPack", "ActionText", "ActionView", "ActiveJob", "ActiveModel",
    "ActiveRecord", "ActiveResource", "ActiveStorage", "ActiveSupport", "Arel", "Concurrent", "I18n",
    "Mail", "Rack", "Rails", "RSpec", "Sprockets", "T", "TZInfo", "Zeitwerk",
}  # fmt: skip
