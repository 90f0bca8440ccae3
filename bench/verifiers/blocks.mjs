// Holds bodies of Slack messages, a JSON array on stdin, against the types that Slack publishes
// of Block Kit in @slack/types. Writes what is wrong with each, empty for nothing, as JSON.
import { readFileSync } from "node:fs";
import ts from "typescript";

const bodies = JSON.parse(readFileSync(0, "utf8"));
const options = { noEmit: true, strict: true, types: [], skipLibCheck: true, module: ts.ModuleKind.NodeNext, moduleResolution: ts.ModuleResolutionKind.NodeNext, target: ts.ScriptTarget.ES2022 };
const name = new URL("message.mts", import.meta.url).pathname;
const text = `import type { KnownBlock, MessageMetadata } from "@slack/types";
type Message = { text: string; blocks: KnownBlock[]; metadata?: MessageMetadata; channel?: string; thread_ts?: string; ts?: string; unfurl_links?: boolean; unfurl_media?: boolean };
` + bodies.map((b, i) => `export const m${i}: Message = ${JSON.stringify(b)};`).join("\n");

const host = ts.createCompilerHost(options);
const read = host.getSourceFile.bind(host);
host.getSourceFile = (file, ...rest) => (file === name ? ts.createSourceFile(file, text, options.target) : read(file, ...rest));
const exists = host.fileExists.bind(host);
host.fileExists = (file) => file === name || exists(file);

const wrong = bodies.map(() => "");
for (const d of ts.getPreEmitDiagnostics(ts.createProgram([name], options, host))) {
  const said = ts.flattenDiagnosticMessageText(d.messageText, "\n");
  const line = d.file?.fileName === name ? d.file.getLineAndCharacterOfPosition(d.start).line - 2 : -1;
  if (line < 0) throw new Error(said); // the types themselves are not there
  wrong[line] += said;
}
console.log(JSON.stringify(wrong));
