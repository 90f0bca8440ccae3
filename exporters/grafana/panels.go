package grafana

import "fmt"

// object is a JSON object.
type object = map[string]any

// source is the Prometheus that the dashboard's variable names.
var source = object{"type": "prometheus", "uid": "${datasource}"}

// query is one line, or set of lines, of a panel.
type query struct {
	expr, legend string
	instant      bool // only its newest value is shown
}

// panel is a panel of the dashboard.
type panel struct {
	kind, title, about string
	width, height      int
	queries            []query
	options            object
	defaults           object   // of its field config
	overrides          []object // of its field config
	repeat             string   // name of the variable whose every value has a panel
}

// json is the panel as Grafana has it, at a place.
func (p *panel) json(id, x, y int) object {
	out := object{
		"id": id, "type": p.kind, "title": p.title, "description": p.about,
		"gridPos": object{"x": x, "y": y, "w": p.width, "h": p.height},
		"options": p.options,
	}
	if p.kind == "annolist" {
		return out
	}
	overrides := []object{}
	overrides = append(overrides, p.overrides...)
	out["datasource"], out["fieldConfig"] = source, object{"defaults": p.defaults, "overrides": overrides}
	var targets []object
	for i, q := range p.queries {
		targets = append(targets, object{
			"refId": string(rune('A' + i)), "datasource": source, "expr": q.expr, "legendFormat": q.legend,
			"instant": q.instant, "range": !q.instant, "editorMode": "code",
		})
	}
	out["targets"] = targets
	if p.repeat != "" {
		out["repeat"], out["repeatDirection"], out["maxPerRow"] = p.repeat, "h", 24/p.width
	}
	return out
}

// mapping names the numbers that numbered gives, with a colour for each.
func mapping(states []string, colours map[string]string) []object {
	options := object{}
	for i, s := range states {
		options[fmt.Sprint(i+1)] = object{"text": s, "color": colours[s], "index": i}
	}
	return []object{{"type": "value", "options": options}}
}

// legend is where the names of lines stand.
func legend(shown bool) object {
	return object{"displayMode": "list", "placement": "bottom", "showLegend": shown, "calcs": []string{}}
}

func tooltip() object { return object{"mode": "multi", "sort": "none"} }

// stat shows the newest value of each series as words or a number.
func stat(title, about string, width, height int, defaults object, text string, q query) *panel {
	q.instant = true
	colour := "value"
	if defaults["mappings"] != nil {
		colour = "background"
	}
	return &panel{
		kind: "stat", title: title, about: about, width: width, height: height, queries: []query{q}, defaults: defaults,
		options: object{
			"graphMode": "none", "colorMode": colour, "justifyMode": "auto", "textMode": text, "wideLayout": true,
			"showPercentChange": false, "percentChangeColorMode": "standard", "orientation": "auto",
			"reduceOptions": object{"calcs": []string{"lastNotNull"}, "fields": "", "values": false},
		},
	}
}

// timeline shows states over time.
func timeline(title, about string, height int, mappings []object, q query) *panel {
	return &panel{
		kind: "state-timeline", title: title, about: about, width: 24, height: height, queries: []query{q},
		defaults: object{"mappings": mappings, "custom": object{"fillOpacity": 80, "lineWidth": 0}},
		options:  object{"showValue": "auto", "rowHeight": 0.9, "mergeValues": true, "alignValue": "left", "legend": legend(false), "tooltip": tooltip()},
	}
}

// lines shows numbers over time.
func lines(title, about string, width int, unit string, queries ...query) *panel {
	return &panel{
		kind: "timeseries", title: title, about: about, width: width, height: 8, queries: queries,
		defaults: object{"unit": unit, "custom": object{"lineWidth": 2, "fillOpacity": 0, "showPoints": "never", "spanNulls": false}},
		options:  object{"legend": legend(true), "tooltip": tooltip()},
	}
}

// styled changes the lines whose name matches a regular expression.
func (p *panel) styled(names, colour string, custom object) *panel {
	properties := []object{{"id": "color", "value": object{"mode": "fixed", "fixedColor": colour}}}
	for _, key := range []string{"lineStyle", "lineWidth", "fillBelowTo", "fillOpacity"} {
		if v, ok := custom[key]; ok {
			properties = append(properties, object{"id": "custom." + key, "value": v})
		}
	}
	p.overrides = append(p.overrides, object{"matcher": object{"id": "byRegexp", "options": names}, "properties": properties})
	return p
}

// dashed is a line that is a limit.
var dashed = object{"lineStyle": object{"fill": "dash", "dash": []int{8, 6}}, "lineWidth": 2}

// bounded keeps the scale of a panel of shares, and draws a line where 1 is.
func (p *panel) bounded() *panel {
	p.defaults["min"] = 0
	p.defaults["thresholds"] = object{"mode": "absolute", "steps": []object{{"value": nil, "color": "text"}, {"value": 1, "color": "orange"}}}
	custom := object{"thresholdsStyle": object{"mode": "dashed"}}
	for k, v := range p.defaults["custom"].(object) {
		custom[k] = v
	}
	p.defaults["custom"] = custom
	return p
}
