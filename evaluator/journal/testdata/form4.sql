-- A journal of form 4, as that relgate wrote it. See links_test.go.
BEGIN TRANSACTION;
CREATE TABLE meta (id INTEGER PRIMARY KEY CHECK (id = 1), form INTEGER NOT NULL, uid TEXT NOT NULL, epoch INTEGER NOT NULL) STRICT;
INSERT INTO meta VALUES(1,4,'HYSTQ6LUAGKPHMV4YHPCPWI4UN',1);
CREATE TABLE plans (digest TEXT PRIMARY KEY, document TEXT NOT NULL) STRICT;
INSERT INTO plans VALUES('d','{}');
CREATE TABLE runs (id INTEGER PRIMARY KEY, run TEXT NOT NULL UNIQUE, plan TEXT NOT NULL, version TEXT NOT NULL, try INTEGER NOT NULL,
		start INTEGER NOT NULL, begun INTEGER NOT NULL, digest TEXT NOT NULL, parameters TEXT NOT NULL, previous TEXT NOT NULL,
		seq INTEGER NOT NULL, n INTEGER NOT NULL, at INTEGER NOT NULL, state TEXT NOT NULL, verdict TEXT NOT NULL,
		decided INTEGER NOT NULL, over INTEGER NOT NULL, totals TEXT NOT NULL) STRICT;
INSERT INTO runs VALUES(1,'p','p','1',0,0,1750000002,'d','null','{}',2,3,1750000002,'monitoring','unknown',0,0,'null');
INSERT INTO runs VALUES(2,'q','q','1',0,0,1750000002,'d','null','{}',1,0,1750000002,'monitoring','unknown',0,0,'null');
CREATE TABLE uses (run TEXT NOT NULL REFERENCES runs (run), digest TEXT NOT NULL REFERENCES plans (digest),
		PRIMARY KEY (run, digest)) STRICT, WITHOUT ROWID;
INSERT INTO uses VALUES('p','d');
INSERT INTO uses VALUES('q','d');
CREATE TABLE ticks (run TEXT NOT NULL, seq INTEGER NOT NULL, at INTEGER NOT NULL, digest TEXT NOT NULL,
		first INTEGER NOT NULL, events INTEGER NOT NULL, tick TEXT NOT NULL, PRIMARY KEY (run, seq)) STRICT;
INSERT INTO ticks VALUES('p',1,1750000001,'d',1,1,'{"at":"2025-06-15T15:06:41Z"}');
INSERT INTO ticks VALUES('p',2,1750000002,'d',2,2,'{"at":"2025-06-15T15:06:42Z"}');
INSERT INTO ticks VALUES('q',1,1750000002,'d',0,0,'{"at":"2025-06-15T15:06:42Z"}');
CREATE TABLE events (run TEXT NOT NULL, n INTEGER NOT NULL, seq INTEGER NOT NULL, at INTEGER NOT NULL,
		kind TEXT NOT NULL, event TEXT NOT NULL, PRIMARY KEY (run, n)) STRICT;
INSERT INTO events VALUES('p',1,1,1750000001,'rule','{"id":"p/1","n":1,"plan":"p","at":"2025-06-15T15:06:41Z","kind":"rule","subject":"r","from":"","to":"","cause":"","why":{}}');
INSERT INTO events VALUES('p',3,2,1750000002,'rule','{"id":"p/3","n":3,"plan":"p","at":"2025-06-15T15:06:42Z","kind":"rule","subject":"s","from":"","to":"","cause":"","why":{}}');
INSERT INTO events VALUES('p',2,2,1750000002,'rule','{"id":"p/2","n":2,"plan":"p","at":"2025-06-15T15:06:42Z","kind":"rule","subject":"r","from":"","to":"","cause":"","why":{}}');
CREATE TABLE snapshots (run TEXT NOT NULL, seq INTEGER NOT NULL, at INTEGER NOT NULL, digest TEXT NOT NULL,
		state BLOB NOT NULL, PRIMARY KEY (run, seq)) STRICT;
CREATE TABLE endpoints (name TEXT PRIMARY KEY) STRICT;
CREATE TABLE cursors (run TEXT NOT NULL, endpoint TEXT NOT NULL, n INTEGER NOT NULL, attempts INTEGER NOT NULL,
		next_at INTEGER NOT NULL, last_error TEXT NOT NULL, PRIMARY KEY (run, endpoint)) STRICT, WITHOUT ROWID;
CREATE TABLE dead (run TEXT NOT NULL, n INTEGER NOT NULL, endpoint TEXT NOT NULL, at INTEGER NOT NULL,
		reason TEXT NOT NULL, again INTEGER NOT NULL, PRIMARY KEY (run, n, endpoint)) STRICT, WITHOUT ROWID;
CREATE TABLE orders (run TEXT NOT NULL, n INTEGER NOT NULL, endpoint TEXT NOT NULL, attempts INTEGER NOT NULL,
	next_at INTEGER NOT NULL, last_error TEXT NOT NULL, PRIMARY KEY (run, n, endpoint)) STRICT, WITHOUT ROWID;
CREATE TABLE pushes (id INTEGER PRIMARY KEY AUTOINCREMENT, source TEXT NOT NULL, key TEXT NOT NULL, at INTEGER NOT NULL) STRICT;
INSERT INTO pushes VALUES(1,'am','',10000);
CREATE TABLE pushed (source TEXT NOT NULL, alert TEXT NOT NULL, push INTEGER NOT NULL, at INTEGER NOT NULL, said TEXT NOT NULL,
		PRIMARY KEY (source, alert, push)) STRICT, WITHOUT ROWID;
INSERT INTO pushed VALUES('am','a',1,10000,'"on"');
CREATE TABLE kept (endpoint TEXT NOT NULL, key TEXT NOT NULL, value TEXT NOT NULL, at INTEGER NOT NULL,
		PRIMARY KEY (endpoint, key)) STRICT, WITHOUT ROWID;
DELETE FROM sqlite_sequence;
INSERT INTO sqlite_sequence VALUES('pushes',1);
CREATE INDEX runs_plan ON runs (plan, begun);
CREATE INDEX runs_open ON runs (begun) WHERE over = 0;
CREATE INDEX runs_passed ON runs (plan, decided) WHERE state = 'passed';
CREATE INDEX uses_digest ON uses (digest);
CREATE UNIQUE INDEX pushes_key ON pushes (source, key) WHERE key <> '';
CREATE INDEX pushes_at ON pushes (source, at);
CREATE INDEX kept_key ON kept (key);
COMMIT;
