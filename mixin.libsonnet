// The alerts, rules and dashboards for jsonnet, imported as they are committed. `_config` has what is yours.
local files = {
  'alerts.yml': importstr 'alerts/rules/alerts.yml',
  'budgets.yml': importstr 'alerts/rules/budgets.yml',
  'exporter.yml': importstr 'alerts/rules/exporter.yml',
  'servers.yml': importstr 'alerts/rules/servers.yml',
  'slo.yml': importstr 'alerts/rules/slo.yml',
  'users.yml': importstr 'alerts/rules/users.yml',
};

local groups = std.flatMap(function(name) std.parseYaml(files[name]).groups, std.objectFields(files));
local isAlert(rule) = std.objectHas(rule, 'alert');
// A group with alerts stays whole: what they look at is recorded before them, in the same group.
local hasAlerts(group) = std.length(std.filter(isAlert, group.rules)) > 0;

{
  _config+:: {
    // '%s' is the alert's name.
    runbookURLPattern: 'https://runbooks.example/presto/%s.md',
    // In front of '/<uid>?<variables>'.
    dashboardURL: 'https://grafana.example/d',
  },

  local config = self._config,
  local addressed(rule) =
    if !isAlert(rule) then rule else rule {
      annotations+: {
        runbook_url: config.runbookURLPattern % rule.alert,
        dashboard_url: config.dashboardURL + '/presto-' + std.splitLimit(rule.annotations.dashboard_url, '/presto-', 1)[1],
      },
    },

  prometheusAlerts+:: {
    groups+: [group { rules: std.map(addressed, group.rules) } for group in groups if hasAlerts(group)],
  },

  prometheusRules+:: {
    groups+: [group for group in groups if !hasAlerts(group)],
  },

  grafanaDashboards+:: {
    'presto-cluster.json': import 'dashboards/provisioned/presto-cluster.json',
    'presto-exporter.json': import 'dashboards/provisioned/presto-exporter.json',
    'presto-nodes.json': import 'dashboards/provisioned/presto-nodes.json',
    'presto-patterns.json': import 'dashboards/provisioned/presto-patterns.json',
    'presto-slo.json': import 'dashboards/provisioned/presto-slo.json',
    'presto-user.json': import 'dashboards/provisioned/presto-user.json',
    'presto-users.json': import 'dashboards/provisioned/presto-users.json',
  },
}
