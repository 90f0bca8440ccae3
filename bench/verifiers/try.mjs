// Tries requests with the verifiers of others. It reads JSON from its standard input, a
// list of {form, secret, raw, headers, body}, and writes for each what every verifier
// of that form said: {name: {ok, error}}, with the id and type of an event.
import { readFileSync } from "node:fs";
import * as svix from "svix";
import { event, hub, standard } from "./verify.mjs";

const options = (t) => (t.raw ? { format: "raw" } : undefined);
const verifiers = {
  standard: {
    standardwebhooks: (t) => standard(t.secret, t.headers, t.body, options(t)),
    svix: (t) => new svix.Webhook(t.secret, options(t)).verify(t.body, t.headers),
  },
  hub: {
    octokit: async (t) => {
      if (!(await hub(t.secret, t.headers, t.body))) throw new Error("not verified");
    },
  },
  event: {
    cloudevents: (t) => {
      const e = event(t.headers, t.body);
      e.validate();
      return { id: e.id, type: e.type };
    },
  },
};

const said = [];
for (const t of JSON.parse(readFileSync(0, "utf8"))) {
  const of = {};
  for (const [name, verify] of Object.entries(verifiers[t.form])) {
    try {
      const { id, type } = (await verify(t)) ?? {};
      of[name] = { ok: true, id, type };
    } catch (e) {
      of[name] = { ok: false, error: String(e) };
    }
  }
  said.push(of);
}
console.log(JSON.stringify(said));
