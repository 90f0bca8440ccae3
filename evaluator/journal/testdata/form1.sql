-- A journal of form 1, as that relgate wrote it. See upgrade_test.go.
BEGIN TRANSACTION;
CREATE TABLE cursors (run TEXT NOT NULL, endpoint TEXT NOT NULL, n INTEGER NOT NULL, attempts INTEGER NOT NULL,
		next_at INTEGER NOT NULL, last_error TEXT NOT NULL, PRIMARY KEY (run, endpoint)) STRICT, WITHOUT ROWID;
INSERT INTO "cursors" VALUES('p','fast',5,0,0,'');
INSERT INTO "cursors" VALUES('p','slow',1,3,1750000060000,'503 Service Unavailable');
INSERT INTO "cursors" VALUES('p','stuck',2,4,1750000060000,'422 Unprocessable Entity');
INSERT INTO "cursors" VALUES('q','fast',2,0,0,'');
INSERT INTO "cursors" VALUES('q','slow',0,0,0,'');
INSERT INTO "cursors" VALUES('q','stuck',2,0,0,'');
INSERT INTO "cursors" VALUES('r','fast',1,0,0,'');
INSERT INTO "cursors" VALUES('r','slow',1,0,0,'');
INSERT INTO "cursors" VALUES('r','stuck',1,0,0,'');
CREATE TABLE dead (run TEXT NOT NULL, n INTEGER NOT NULL, endpoint TEXT NOT NULL, at INTEGER NOT NULL,
		reason TEXT NOT NULL, again INTEGER NOT NULL, PRIMARY KEY (run, n, endpoint)) STRICT, WITHOUT ROWID;
INSERT INTO "dead" VALUES('p',2,'stuck',1750000060000,'410 Gone',0);
CREATE TABLE endpoints (name TEXT PRIMARY KEY) STRICT;
INSERT INTO "endpoints" VALUES('fast');
INSERT INTO "endpoints" VALUES('slow');
INSERT INTO "endpoints" VALUES('stuck');
CREATE TABLE events (run TEXT NOT NULL, n INTEGER NOT NULL, seq INTEGER NOT NULL, at INTEGER NOT NULL,
		kind TEXT NOT NULL, event TEXT NOT NULL, PRIMARY KEY (run, n)) STRICT;
INSERT INTO "events" VALUES('r',1,1,1750000000,'run','{"id":"r/1","n":1,"plan":"p","at":"2025-06-15T15:06:40Z","kind":"run","subject":"r","from":"","to":"rolled_back","cause":"","why":{}}');
INSERT INTO "events" VALUES('p',1,1,1750000000,'rule','{"id":"p/1","n":1,"plan":"p","at":"2025-06-15T15:06:40Z","kind":"rule","subject":"r","from":"","to":"breaching","cause":"","why":{}}');
INSERT INTO "events" VALUES('p',2,1,1750000000,'rule','{"id":"p/2","n":2,"plan":"p","at":"2025-06-15T15:06:40Z","kind":"rule","subject":"r","from":"","to":"fired","cause":"","why":{}}');
INSERT INTO "events" VALUES('p',3,1,1750000000,'rule','{"id":"p/3","n":3,"plan":"p","at":"2025-06-15T15:06:40Z","kind":"rule","subject":"r","from":"","to":"breaching","cause":"","why":{}}');
INSERT INTO "events" VALUES('q',1,1,1750000000,'rule','{"id":"q/1","n":1,"plan":"p","at":"2025-06-15T15:06:40Z","kind":"rule","subject":"r","from":"","to":"fired","cause":"","why":{}}');
INSERT INTO "events" VALUES('q',2,1,1750000000,'rule','{"id":"q/2","n":2,"plan":"p","at":"2025-06-15T15:06:40Z","kind":"rule","subject":"r","from":"","to":"breaching","cause":"","why":{}}');
INSERT INTO "events" VALUES('p',4,2,1750000001,'run','{"id":"p/4","n":4,"plan":"p","at":"2025-06-15T15:06:41Z","kind":"run","subject":"r","from":"","to":"rolled_back","cause":"","why":{}}');
INSERT INTO "events" VALUES('p',5,2,1750000001,'rule','{"id":"p/5","n":5,"plan":"p","at":"2025-06-15T15:06:41Z","kind":"rule","subject":"r","from":"","to":"breaching","cause":"","why":{}}');
CREATE TABLE meta (id INTEGER PRIMARY KEY CHECK (id = 1), form INTEGER NOT NULL, uid TEXT NOT NULL, epoch INTEGER NOT NULL) STRICT;
INSERT INTO "meta" VALUES(1,1,'B222BXLELTSN6K6SXZ7IWWRCKV',1);
CREATE TABLE plans (digest TEXT PRIMARY KEY, document TEXT NOT NULL) STRICT;
INSERT INTO "plans" VALUES('d','{}');
CREATE TABLE runs (id INTEGER PRIMARY KEY, run TEXT NOT NULL UNIQUE, plan TEXT NOT NULL, version TEXT NOT NULL, try INTEGER NOT NULL,
		start INTEGER NOT NULL, begun INTEGER NOT NULL, digest TEXT NOT NULL, parameters TEXT NOT NULL, previous TEXT NOT NULL,
		seq INTEGER NOT NULL, n INTEGER NOT NULL, at INTEGER NOT NULL, state TEXT NOT NULL, verdict TEXT NOT NULL,
		decided INTEGER NOT NULL, over INTEGER NOT NULL, totals TEXT NOT NULL) STRICT;
INSERT INTO "runs" VALUES(1,'r','p','1',0,0,1750000000,'d','null','{}',1,1,1750000000,'rolled_back','unknown',1750000000,1,'null');
INSERT INTO "runs" VALUES(2,'p','p','1',0,0,1750000001,'d','null','{}',2,5,1750000001,'monitoring','unknown',0,0,'null');
INSERT INTO "runs" VALUES(3,'q','p','1',0,0,1750000000,'d','null','{}',1,2,1750000000,'monitoring','unknown',0,0,'null');
CREATE TABLE snapshots (run TEXT NOT NULL, seq INTEGER NOT NULL, at INTEGER NOT NULL, digest TEXT NOT NULL,
		state BLOB NOT NULL, PRIMARY KEY (run, seq)) STRICT;
INSERT INTO "snapshots" VALUES('p',1,1750000000,'d',X'7374617465');
CREATE TABLE ticks (run TEXT NOT NULL, seq INTEGER NOT NULL, at INTEGER NOT NULL, digest TEXT NOT NULL,
		first INTEGER NOT NULL, events INTEGER NOT NULL, tick TEXT NOT NULL, PRIMARY KEY (run, seq)) STRICT;
INSERT INTO "ticks" VALUES('r',1,1750000000,'d',1,1,'{"at":"2025-06-15T15:06:40Z"}');
INSERT INTO "ticks" VALUES('p',1,1750000000,'d',1,3,'{"at":"2025-06-15T15:06:40Z"}');
INSERT INTO "ticks" VALUES('q',1,1750000000,'d',1,2,'{"at":"2025-06-15T15:06:40Z"}');
INSERT INTO "ticks" VALUES('p',2,1750000001,'d',4,2,'{"at":"2025-06-15T15:06:41Z"}');
CREATE TABLE uses (run TEXT NOT NULL REFERENCES runs (run), digest TEXT NOT NULL REFERENCES plans (digest),
		PRIMARY KEY (run, digest)) STRICT, WITHOUT ROWID;
INSERT INTO "uses" VALUES('p','d');
INSERT INTO "uses" VALUES('q','d');
INSERT INTO "uses" VALUES('r','d');
CREATE INDEX runs_plan ON runs (plan, begun);
CREATE INDEX runs_open ON runs (begun) WHERE over = 0;
CREATE INDEX runs_passed ON runs (plan, decided) WHERE state = 'passed';
CREATE INDEX uses_digest ON uses (digest);
COMMIT;
