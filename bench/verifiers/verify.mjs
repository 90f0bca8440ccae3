import { Webhook } from "standardwebhooks"; // or from "svix"
import { verify } from "@octokit/webhooks-methods";
import { HTTP } from "cloudevents";

// body is the text as it came; headers have names in lower case, as req.headers has.
// For a secret that does not begin with whsec_, options are { format: "raw" }.
export const standard = (secret, headers, body, options) => new Webhook(secret, options).verify(body, headers); // throws

export const hub = (secret, headers, body) => verify(secret, body, headers["x-hub-signature-256"]); // a promise of true or false

export const event = (headers, body) => HTTP.toEvent({ headers, body }); // after it was verified
