// Package simulator is the upstreams of a release plan on loopback: CloudWatch,
// Athena, Lambda aliases, CodeDeploy that deploys nothing, Sentry, App Store
// Connect and the iTunes lookup. They
// speak the wire formats that the real clients receive, so a client needs
// nothing but another base URL: AWS_ENDPOINT_URL serves all AWS clients.
//
// What the upstreams say is a pure function of a scenario and of the time: the
// same question at the same time has the same answer, whatever was asked before.
// The exceptions are what clients write (an alias; a phased release, which spreads
// to no one more while it is paused) and
// Athena's queries, which advance as they are polled. AWS signatures must be
// present and have the right form; they are not verified.
//
// # Scenarios
//
// A scenario is a TOML file. All times count from T, the start of the plan:
// "T", "T+40m", "T+6.5h", "T-2h". An empty file is a world in which all goes
// well, carried out as the plan of config.toml says.
//
//	title = "API 5xx rises"        # for people
//	ends  = "rolled_back"          # what the plan must come to, for people and tests
//	seed  = 1                      # of the noise
//
//	[names]                        # what things are called; those of config.toml if absent
//	api = "bioage"                 # also stage, function, alias, stable, canary, alarm,
//	                               # org, project, project_id, release, previous, environment,
//	                               # app, bundle, version, issuer, key_id ("*": any),
//	                               # sentry_alert, grafana_alert
//
//	[levels]                       # base levels; see the signals below
//	"api.requests" = 1200
//	"api.5xx"      = "0.2 %"
//
//	[[change]]                     # a signal takes another value
//	at     = "T+1h"
//	for    = "10m"                 # for ever if absent
//	over   = "2m"                  # reached in a straight line; at once if absent
//	signal = "api.5xx"
//	value  = "5 %"
//
//	[[rollout]]                    # like change, of traffic.lambda and traffic.mobile;
//	at     = "T"                   # one of them replaces the rollout of config.toml
//	signal = "traffic.lambda"
//	value  = "10 %"
//
//	[[fault]]                      # an upstream misbehaves
//	upstream  = "sentry"           # cloudwatch, athena, lambda, sentry, appstore, lookup
//	operation = "sessions"         # only this one, by the names of Stats; all if absent
//	from      = "T+1h"
//	to        = "T+2h"             # for ever if absent
//	kind      = "hang"             # see the kinds below
//	delay     = "5s"               # of slow; Retry-After of throttle
//
//	[[late]]                       # data of a stretch of time are published later
//	upstream = "cloudwatch"        # cloudwatch, sentry, appstore, athena
//	from     = "T+1h"
//	to       = "T+2h"
//	delay    = "3m"
//
//	[[correction]]                 # minutes are first published with a false value
//	at     = "T+1h"
//	for    = "10m"
//	after  = "5m"                  # each is corrected so long after it was published
//	signal = "api.5xx"             # or lambda.p95, sessions.crash
//	value  = "6 %"
//
//	[publish.cloudwatch]           # when the data of a minute can be seen
//	after    = "20s"               # some two thirds of them, after the minute's end
//	complete = "2m"                # all of them
//
//	[alarm]                        # the alarm on api.5xx
//	threshold  = "3 %"
//	datapoints = 10                # of the last ten
//	of         = 10
//	type       = "metric"          # or composite, or log
//
//	[cloudwatch]
//	sparse  = true                 # a metric of failures has no value in a minute without one
//	spacing = "5m"                 # every metric has one value in so long; "1m" if absent
//	ranks   = false                # refuses PR(:x), as an old emulator does; true if absent
//	chance  = true                 # an invocation goes to a version, and fails, by a chance of its
//	                               # own, up to 150 in a minute; false if absent: counts swing less
//
//	[sentry]
//	resolution = "1h"              # refuses shorter intervals; "1m" if absent
//	minutes    = "6h"              # refuses minutes of longer ranges, as old ones do; any if absent
//
// # Signals
//
//	api.requests      API requests a minute
//	api.5xx, api.4xx  share of them that end so
//	api.latency_p95   seconds
//	lambda.requests   invocations through the alias a minute, of both versions
//	lambda.errors     share of the released version's that fail
//	lambda.p95        seconds, of the released version
//	lambda.stable.errors, lambda.stable.p95
//	                  the same of the version before it
//	lambda.cold       share of the invocations, of either version, that start cold
//	                  and take about four seconds
//	sessions          app sessions a minute, of both releases
//	sessions.crash    share of the new release's that crash
//	sessions.previous.crash
//	                  share of those of the release before it that crash
//	reviews.per_hour  at 100 %
//	reviews.stars     their mean, 1 to 5
//	bias.gap          between the highest and the lowest decile's rate
//	bias.rate         of positives, over all deciles
//	bias.n            predictions in each decile at T; a tenth more each hour
//	day.swing         how far traffic goes up and down over a day, as a share
//	traffic.lambda    share of the invocations that the new version gets
//	traffic.mobile    share of the users who have the new release
//
// # Kinds of faults
//
//	500, 502, 503, 504  that status, with the body that the upstream or a proxy would send
//	hang                no answer until the client gives up
//	slow                the answer comes late
//	silent              the upstream answers, but never gets the data of this time
//	throttle            the upstream's own form of "too many requests"
//	auth                the upstream's own form of refused credentials
//	partial             an answer with missing parts that says so, or where one can see it
//	garbage             a captive portal's page with status 200
//	empty200            status 200 and nothing else
//	204                 status 204
//	login               a redirect to a login page elsewhere
//	foreign             status 200 and a body in another format than the upstream's
//	endless             status 500 and a body without an end
//	expired             credentials that have ended; as auth where there is no such answer
//	no_groups, empty_series, no_project
//	                    of Sentry: an answer without groups, groups without periods, and
//	                    the refusal of a project that is not there
//
// API Gateway does not know versions: api.5xx is about all traffic. Each version
// of the function has its own share of the invocations, errors and durations, by
// the alias's current weights. If a minute has at most 150 durations, each is
// drawn at random, so that little traffic is as uneven as in reality.
//
// An alarm is evaluated on the true values of complete minutes: late and false
// values do not change it. So it is with what Sentry and Grafana push: see Pusher.
package simulator
