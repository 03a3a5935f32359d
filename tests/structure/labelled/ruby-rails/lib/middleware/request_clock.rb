module Middleware
  class RequestClock
    def initialize(app)
      @app = app
    end

    def call(env)
      env["shelf.started"] = Time.now
      @app.call(env)
    end
  end
end
