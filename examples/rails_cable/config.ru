# Rails' ActionCable as a server to measure: one channel, and one address that broadcasts what is posted to it, as a Rails application would
# from a request. On Debian: apt install ruby-actioncable ruby-railties puma; then
#
#   RAILS_ENV=production puma --environment production --threads 5:5 --bind tcp://127.0.0.1:3000 examples/rails_cable/config.ru
require "json"
require "rails"
require "action_cable/engine"

class Measured < Rails::Application
  config.load_defaults 6.1
  config.eager_load = false
  config.logger = Logger.new($stderr)
  config.log_level = :warn
  config.secret_key_base = "only-for-measuring"
  config.hosts.clear
  config.action_cable.disable_request_forgery_protection = true
  config.action_cable.mount_path = "/cable"
  config.action_cable.cable = { "adapter" => "async" }
end

module ApplicationCable
  class Connection < ActionCable::Connection::Base
  end
end

class BenchChannel < ActionCable::Channel::Base
  def subscribed
    stream_from "bench-#{params[:topic] || 0}"
  end

  def broadcast(data)
    ActionCable.server.broadcast("bench-#{data["topic"] || 0}", data["payload"])
  end
end

Measured.initialize!

# The body of AnyCable's endpoint: {"stream": "bench-0", "data": "<JSON text>"}, or several of them.
BROADCAST = lambda do |env|
  publications = JSON.parse(env["rack.input"].read)
  [publications].flatten.each { |each| ActionCable.server.broadcast(each["stream"], JSON.parse(each["data"])) }
  [201, { "Content-Type" => "text/plain" }, [""]]
end

map("/_broadcast") { run BROADCAST }
map("/cable") { run ActionCable.server }
