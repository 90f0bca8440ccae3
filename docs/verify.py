#!/usr/bin/env python3
"""Checks a relgate bundle offline: python3 verify.py BUNDLE KEYS [--head=SEQ:LINK]...

BUNDLE is what `relgate prove` wrote, KEYS what GET /v1/keys answered. A head is a link that was told
outside, by a webhook say. docs/proof.md has the format. It needs Python 3.8 and nothing else.
Exit 0: verified, 1: refused, 2: wrong use.
"""
import base64, datetime, hashlib, json, sys

class Refused(Exception):
    """Why the bundle proves nothing."""

def need(condition, why):
    if not condition:
        raise Refused(why)

# --- Ed25519, RFC 8032 section 5.1
P = 2**255 - 19
L = 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, P - 2, P) % P

def add(a, b):
    s, t = (a[1] - a[0]) * (b[1] - b[0]) % P, (a[1] + a[0]) * (b[1] + b[0]) % P
    u, v = 2 * a[3] * b[3] * D % P, 2 * a[2] * b[2] % P
    e, f, g, h = t - s, v - u, v + u, t + s
    return e * f % P, g * h % P, f * g % P, e * h % P

def times(n, point):
    out = (0, 1, 1, 0)
    while n:
        out = add(out, point) if n & 1 else out
        point, n = add(point, point), n >> 1
    return out

def decompress(b):
    """A point, or None: of its y there is no x, or it is not written the one way there is."""
    y = int.from_bytes(b, 'little')
    sign, y = y >> 255, y & (2**255 - 1)
    if len(b) != 32 or y >= P:
        return None
    x2 = (y * y - 1) * pow(D * y * y + 1, P - 2, P) % P
    x = pow(x2, (P + 3) // 8, P)
    x = x * pow(2, (P - 1) // 4, P) % P if (x * x - x2) % P else x
    if (x * x - x2) % P or x == 0 and sign:
        return None
    x = x if x & 1 == sign else P - x
    return x, y, 1, x * y % P

BASE = decompress((4 * pow(5, P - 2, P) % P).to_bytes(32, 'little'))

def signed(public, message, signature):
    """Whether a signature is that of a message."""
    a, s = decompress(public), int.from_bytes(signature[32:], 'little')
    r = decompress(signature[:32]) if len(signature) == 64 else None
    if a is None or r is None or s >= L:
        return False
    h = int.from_bytes(hashlib.sha512(signature[:32] + public + message).digest(), 'little') % L
    left, right = times(s, BASE), add(r, times(h, a))
    return (left[0] * right[2] - right[0] * left[2]) % P == 0 and (left[1] * right[2] - right[1] * left[2]) % P == 0

# --- The form of the bundle
def no_float(text):
    raise Refused('a number is not whole where all are: ' + text[:20])

def parse(raw, what):
    """JSON of objects, lists, texts and whole numbers."""
    try:
        return json.loads(raw.decode('utf-8'), parse_float=no_float, parse_constant=no_float)
    except (ValueError, RecursionError) as e:
        raise Refused(what + ' is not JSON: ' + str(e)) from None

def canonical(value):
    """The one way to write a value, RFC 8785."""
    try:
        return json.dumps(value, sort_keys=True, separators=(',', ':'), ensure_ascii=False).encode('utf-8')
    except UnicodeEncodeError:
        raise Refused('a text is not Unicode') from None

def shape(value, what, **fields):
    """Checks that an object has these fields, of these types, and no others."""
    need(isinstance(value, dict) and set(value) == set(fields), what + ' has other fields than it should')
    for name, kind in fields.items():
        need(type(value[name]) is kind, '%s: %s is not of type %s' % (what, name, kind.__name__))

def link(before, run, seq, digest, tick, events):
    h = hashlib.sha256()
    for part in [before, run, str(seq), digest, tick] + events:
        part = part.encode('utf-8')
        h.update(len(part).to_bytes(8, 'big') + part)
    return h.hexdigest()

def chained(bundle):
    """Checks every link, and that the ticks are 1 to n without a gap. Gives the head."""
    head = ''
    need(bundle['ticks'], 'it has no tick')
    for n, t in enumerate(bundle['ticks'], 1):
        shape(t, 'tick %d' % n, digest=str, events=list, link=str, seq=int, tick=str)
        need(all(type(e) is str for e in t['events']), 'tick %d: an event is no text' % n)
        need(t['seq'] == n, 'tick %d is where tick %d should be' % (t['seq'], n))
        try:
            head = link(head, bundle['run'], n, t['digest'], t['tick'], t['events'])
        except UnicodeEncodeError:
            raise Refused('tick %d is not Unicode' % n) from None
        need(head == t['link'], 'the chain breaks at tick %d' % n)
    return head

def opened(envelope, keys, what, head):
    """Checks the signature of a DSSE envelope, and gives the statement in it."""
    shape(envelope, what, payload=str, payloadType=str, signatures=list)
    kind, one = envelope['payloadType'], envelope['signatures'][0] if len(envelope['signatures']) == 1 else None
    need(kind == 'application/vnd.in-toto+json', what + ' is no in-toto statement')
    shape(one, what + ', its one signature', keyid=str, sig=str)
    kid, texts = one['keyid'], (envelope['payload'], one['sig'])
    need(kid in keys, what + ' is signed with key %s, which is none of those that are believed' % kid)
    try:
        payload, sig = [base64.b64decode(t.encode('ascii'), validate=True) for t in texts]
    except ValueError:
        raise Refused(what + ' is not base64') from None
    need(texts == tuple(base64.b64encode(b).decode() for b in (payload, sig)), what + ': base64 is not written the one way there is')
    pae = b'DSSEv1 %d %s %d %s' % (len(kind), kind.encode(), len(payload), payload)
    need(signed(keys[kid], pae, sig), what + ': the signature is not that of its key')
    statement = parse(payload, what)
    need(canonical(statement) == payload, what + ': the statement is not written the one way there is')
    shape(statement, what, _type=str, subject=list, predicateType=str, predicate=dict)
    need(statement['_type'] == 'https://in-toto.io/Statement/v1', what + ' is no in-toto statement')
    need([s.get('digest') for s in statement['subject']] == [{'sha256': head}], what + ' is about another head than the ticks have')
    return statement

# --- What the sources answered
def seconds(text):
    return int(datetime.datetime.strptime(text, '%Y-%m-%dT%H:%M:%SZ').replace(tzinfo=datetime.timezone.utc).timestamp())

def close(a, b):
    return abs(a - b) <= 1e-9 * max(abs(a), abs(b), 1e-9)

class Series:
    """What is known of a signal: of each period what was said last."""
    def __init__(self, signal):
        self.signal, self.kind, self.width = signal, signal['kind'], max(signal['period'] // 10**9, 1)
        self.forget()

    def forget(self):
        self.points, self.parts, self.late, self.settled, self.partial = {}, {}, set(), 0, 0

    def sane(self, p, at):
        fits = {'ratio': 0 <= p['v'] <= p['n'], 'alarm': p['v'] in (0, 1)}
        return 0 < p['t'] <= at and p['n'] >= 0 and fits.get(self.kind, True)

    def merge(self, reading, at):
        good, width = reading.get('fault', 'ok') in ('ok', 'no_data'), reading.get('width', 0) or max(self.signal['period'] // 10**9, 1)
        if width != self.width and (reading.get('points') or reading.get('width')):
            self.width = width
            self.forget()
        fresh = {p['t']: (p['v'], p['n']) for p in reading.get('points', []) if self.sane(p, at)}
        if fresh or good:
            if self.partial:  # it was read before its period ended, and counts no more
                self.points = {t: p for t, p in self.points.items() if t < self.partial}
            until = min(reading['to'], at) if reading['to'] > 0 else at
            early = [t for t in fresh if t + self.width > until and self.kind not in ('gauge', 'alarm')]
            self.partial = min(early) if early else 0
        self.late.update(t for t, p in fresh.items() if t + self.width <= self.settled and self.points.get(t) != p)
        self.points.update(fresh)
        self.parts.update((p['t'], p['groups']) for p in reading.get('parts', []) if 0 < p['t'] <= at)
        if good:
            self.settled = max(self.settled, min(reading.get('settled_until', 0), at))

    def within(self, start, end):
        """The whole periods of a stretch, in order."""
        whole = [t for t in self.points if start <= t and t + self.width <= end and not (self.partial and t >= self.partial)]
        return [(t,) + self.points[t] for t in sorted(whole)]

    def counts(self, said, start, end):
        """Checks that so many samples are what a stretch has. Periods that have not settled may be taken for larger,
        so that few samples are not too much evidence: for no larger than the largest that has settled."""
        rows = self.within(start, end)
        young = [n for t, _, n in rows if t + self.width > self.settled]
        largest = max((p[1] for t, p in self.points.items() if t + self.width <= self.settled), default=0)
        real = sum(n for _, _, n in rows)
        if young and not largest:
            return said >= real - 1e-9
        return real - 1e-9 <= said <= real + sum(max(0, largest - n) for n in young) + 1e-9

def spread(groups):
    rates = [g['v'] / g['n'] for g in groups if g['n'] > 0]
    return sum(g['n'] for g in groups), max(rates, default=0) - min(rates, default=0)

def recomputed(e, rule, series, why):
    """Works the numbers of an event out again from the readings. Gives '' if they are the same, else why it cannot say."""
    x = e['evidence']
    s = series.get(x['signal'])
    need(s is not None, why + ': the plan has no signal ' + x['signal'])
    if not x['known'] or x['from'].startswith('0001') or e['why'].get('code') != 'measured':
        return 'it rests on no numbers of its own'
    if x.get('alarm', {}).get('fired') or s.kind in ('alarm', 'percentile') or x.get('datapoints'):
        return 'it rests on an alarm, a percentile or M of N periods'
    start, end, w = seconds(x['from']), seconds(x['to']), x.get('weighed')
    rows = s.within(start, end)
    if any(t in s.late for t, _, _ in rows):
        return 'a source has corrected periods after they had settled'
    if w and w.get('groups'):
        answers = [spread(g) for t, g in s.parts.items() if start <= t < end]
        need(any(n == x['samples'] and close(gap, x['value']) for n, gap in answers), why + ': no answer with groups has its numbers')
        return ''
    if w and w.get('rating'):
        groups = [g for t, _, _ in rows if t + s.width <= s.settled for g in s.parts.get(t, []) if g['name'] in list('12345')]
        n, stars = sum(g['n'] for g in groups), sum(int(g['name']) * g['n'] for g in groups)
        need(close(x['samples'], n) and close(w['bad'], stars) and close(x['value'] * n, stars), why + ': the stars are others')
        return ''
    good, bad = s.signal.get('good', False), sum(v for _, v, _ in rows)
    if w:
        need(close(w['bad'], bad), why + ': the readings have %g bad, it says %g' % (bad, w['bad']))
        need(s.counts(x['samples'], start, end), why + ': the readings do not have its %g samples' % x['samples'])
        most = (end - start) // s.width if w.get('suspect') else len(rows)
        need(len(rows) <= x['points'] <= most, why + ': the readings have %d periods' % len(rows))
        share = bad / max(x['samples'], 1e-300)
        need(close(x['value'], 1 - share if good else share), why + ': bad / samples is not its value')
        if e['to'] == 'pass':
            need(w['keeps'] >= w['proof'] or w.get('weak') and w['spared'] >= w['proof'], why + ': its evidence is below its bound')
        if e['to'] == 'fired':
            need(w.get('rung') == 'rollback', why + ': its evidence orders no rollback')
        return ''
    if e['to'] not in ('pass', 'fail', 'fired') or rule.get('for') and rule.get('over'):
        return 'its number is that of another stretch than the one it names'
    if s.kind in ('ratio', 'mean'):
        rows = [r for r in rows if r[2] > 0]
        need(s.counts(x['samples'], start, end), why + ': the readings do not have its %g samples' % x['samples'])
        if any(t + s.width > s.settled for t, _, _ in rows):
            return 'some of its periods had not settled'
        share = bad / max(sum(n for _, _, n in rows), 1e-300)
        value = 1 - share if good else share
    else:
        levels, way = [v for _, v, _ in rows], x.get('way', 'worst')
        need(levels, why + ': the readings have no period of its stretch')
        if way not in ('average', 'last'):
            need(x['value'] in levels or way == 'share', why + ': its value is in no reading')
            return '' if way != 'share' else 'it counts periods'
        value = levels[-1] if way == 'last' else sum(levels) / len(levels)
    need(len({t // s.width for t, _, _ in rows}) == x['points'], why + ': the readings have %d periods' % len(rows))
    need(close(value, x['value']), why + ': the readings give %g, it says %g' % (value, x['value']))
    return ''

# --- What was decided
class Walk:
    """Goes through the ticks of a run in order."""
    def __init__(self, bundle, plans):
        self.run, self.plans, self.plan, self.series = bundle['run'], plans, None, {}
        self.events, self.rules, self.verdicts, self.state = {}, {}, {}, ''
        self.checked, self.unchecked, self.readings = 0, [], 0
        self.order = []
        for t in bundle['ticks']:
            if t['digest'] not in self.order:
                self.order.append(t['digest'])
            self.tick(t)

    def tick(self, t):
        tick, plan = json.loads(t['tick']), self.plans[t['digest']]
        if plan is not self.plan:
            ask = ('source', 'kind', 'query', 'period', 'of', 'above', 'good')
            kept, self.series = self.series, {}
            for s in plan['signals']:
                old = kept.get(s['name'])
                self.series[s['name']] = old if old and all(old.signal.get(k) == s.get(k) for k in ask) else Series(s)
            self.plan = plan
        self.at = tick['at']
        for r in tick.get('readings', []):
            self.readings += 1
            self.series[plan['signals'][r['signal']]['name']].merge(r, seconds(self.at))
        for text in t['events']:
            self.event(json.loads(text), t['seq'])

    def event(self, e, seq):
        why = 'event %s of tick %d, %s %s' % (e['id'], seq, e['subject'], e['to'])
        need(e['n'] == len(self.events) + 1 and e.get('run') == self.run, why + ': it is not the next event of the run')
        self.events[e['id']] = e
        root = self.events.get(e.get('because', e['id']))
        need(root is not None, why + ': what it rests on did not happen')
        by_hand = root['kind'] == 'command' and root['to'] == 'applied'
        if e['kind'] == 'rule':
            self.rule(e, why)
        elif e['kind'] == 'verdict':
            self.verdicts[e['phase']] = e['to']
        elif e['kind'] == 'phase' and e['to'] == 'passed' and not by_hand:
            phase = next(p for p in self.plan['phases'] if p['name'] == e['subject'])
            for r in (self.plan['rules'][i] for i in phase['success']):
                ended = self.rules.get(e['subject'] + '/' + r['name'])
                fine = ended != 'fail' if r.get('gate') == 'veto' else ended == 'pass'
                need(fine or r.get('shadow'), '%s: success rule %s is %s' % (why, r['name'], ended or 'not judged'))
        elif e['kind'] == 'run' and e['to'] != 'over':
            if e['to'] == 'rolled_back':
                fired = root['kind'] == 'rule' and root['to'] == 'fired'
                need(fired or by_hand and root['subject'] == 'abort', why + ': no rule fired and no one ordered it')
            if e['to'] == 'passed' and not by_hand:
                short = [p['name'] for p in self.plan['phases'] if self.verdicts.get(p['name']) != 'pass']
                need(not short, why + ': not every phase has passed: ' + ', '.join(short))
            self.state = e['to']

    def rule(self, e, why):
        kind = 'success' if e['to'] in ('pass', 'fail', 'pending', 'unknown') else 'rollback'
        self.rules[e['phase'] + '/' + e['subject'] if kind == 'success' else e['subject']] = e['to']
        rule = next((r for r in self.plan['rules'] if (r['name'], r['kind']) == (e['subject'], kind)), None)
        need(rule is not None, why + ': the plan has no such rule')
        if not e.get('evidence'):
            need(e['to'] not in ('pass', 'fail', 'fired'), why + ': it has no evidence')
            return
        gap = recomputed(e, rule, self.series, why)
        if gap:
            self.unchecked.append('%s %s: %s' % (e['subject'], e['to'], gap))
        self.checked += not gap

    def tests(self):
        lists = {'passedTests': ('pass', 'clear'), 'failedTests': ('fail', 'fired'),
                 'warnedTests': ('warning', 'holding', 'breaching', 'would_fire', 'would_hold')}
        return {name: sorted(r for r, ended in self.rules.items() if ended in states) for name, states in lists.items()}

def stated(walk, statement, head, ticks, what):
    """Checks what a statement says of the run, and that it says so of this chain."""
    policies = [{'digest': {'sha256': d}, 'name': walk.plan['name']} for d in walk.order]
    subject = {'name': walk.run, 'digest': {'sha256': head},
               'annotations': {'asOf': walk.at, 'plan': walk.plan['name'], 'ticks': ticks, 'version': walk.plan.get('version', '')}}
    need(statement['subject'] == [subject], what + ' is about another run or version than the ticks')
    p = statement['predicate']
    if what == 'the verification result':
        need(statement['predicateType'] == 'https://in-toto.io/attestation/svr/v0.2', what + ' is of another type')
        shape(p, what, verifier=dict, timeCreated=str, properties=list)
        need(p['verifier'].get('policies') == policies, what + ' names other plans than those that were in force')
        may = set()
        if walk.state not in ('held', 'rolled_back', 'superseded'):
            may = {'RELGATE_PHASE_PASSED:' + n for n, v in walk.verdicts.items() if v == 'pass'}
        if walk.state == 'passed':
            may.add('RELGATE_RUN_PASSED')
        need(all(x in may for x in p['properties']), what + ' says that something passed which has not by its events')
    else:
        need(statement['predicateType'] == 'https://in-toto.io/attestation/test-result/v0.1', what + ' is of another type')
        shape(p, what, result=str, configuration=list, passedTests=list, warnedTests=list, failedTests=list)
        tests = walk.tests()
        need(p['configuration'] == policies and all(p[k] == v for k, v in tests.items()), what + ' has other rules than the events')
        clean = 'WARNED' if tests['warnedTests'] or tests['failedTests'] else 'PASSED'
        ends = {'passed': clean, 'rolled_back': 'FAILED', 'failed': 'FAILED'}
        need(p['result'] == ends.get(walk.state), what + ' is not what the events say')

def verify(raw, keys, heads=()):
    """Checks a bundle against keys (kid: 32 bytes) and heads (sequence, link), and gives what it says, in lines."""
    bundle = parse(raw, 'the bundle')
    extra = {'testResult': dict} if isinstance(bundle, dict) and 'testResult' in bundle else {}
    shape(bundle, 'the bundle', plans=dict, run=str, svr=dict, ticks=list, type=str, **extra)
    need(bundle['type'] == 'relgate-bundle/v1', 'the bundle is of a type that this program does not know')
    head = chained(bundle)
    need(canonical(bundle) == raw, 'the bundle is not written the one way there is')
    need(set(bundle['plans']) == {t['digest'] for t in bundle['ticks']}, 'the plans are not those that were in force')
    for digest, document in bundle['plans'].items():
        need(type(document) is str and hashlib.sha256(document.encode()).hexdigest() == digest, 'a plan is not that of its digest')
    svr = opened(bundle['svr'], keys, 'the verification result', head)
    result = opened(bundle['testResult'], keys, 'the test result', head) if extra else None
    for seq, told in heads:
        need(0 < seq <= len(bundle['ticks']) and bundle['ticks'][seq - 1]['link'] == told, 'tick %d has not the link that was told' % seq)
    walk = Walk(bundle, {d: json.loads(text) for d, text in bundle['plans'].items()})
    stated(walk, svr, head, len(bundle['ticks']), 'the verification result')
    if result:
        stated(walk, result, head, len(bundle['ticks']), 'the test result')
    need(result or walk.state not in ('rolled_back', 'failed'), 'the run is %s, and the bundle leaves out the test result' % walk.state)
    lines = ['verified: run %s of plan %s, version %s' % (walk.run, walk.plan['name'], walk.plan.get('version', '')),
             'the run is %s as of %s; signed as passed: %s' % (walk.state, walk.at, ', '.join(svr['predicate']['properties']) or 'nothing'),
             'signed %s with key %s' % (svr['predicate']['timeCreated'], bundle['svr']['signatures'][0]['keyid']),
             'chain: %d ticks, 1 to %d without a gap, head %s' % (len(bundle['ticks']), len(bundle['ticks']), head)]
    lines += ['told outside: tick %d had this link then too' % seq for seq, _ in heads]
    lines += ['test result: ' + result['predicate']['result']] if result else ['not decided yet: there is no test result']
    lines += ['%d events, %d readings' % (len(walk.events), walk.readings), 'the numbers of %d verdicts follow from the raw counts' % walk.checked]
    lines += ['not worked out again: ' + text for text in walk.unchecked]
    return lines + [
        'it cannot know: whether the sources told the truth; whether the strength of evidence follows from the counts (relgate replay can);',
        'and, without a head that was told outside, whether whoever has the key made up the whole chain later']

def read_keys(raw):
    """The keys of a JWK set: kid to 32 bytes."""
    keys = {}
    for k in json.loads(raw)['keys']:
        if (k.get('kty'), k.get('crv')) == ('OKP', 'Ed25519'):
            keys[k['kid']] = base64.urlsafe_b64decode(k['x'] + '=')
    return keys

def main(args):
    try:
        heads = [(int(seq), told) for seq, told in (a[7:].split(':') for a in args if a.startswith('--head='))]
        bundle, keys = [a for a in args if not a.startswith('--head=')]
        with open(bundle, 'rb') as f, open(keys, 'rb') as k:
            raw, keys = f.read(), read_keys(k.read())
    except (ValueError, KeyError, TypeError, OSError) as e:
        print('%s\n%s' % (e, __doc__), file=sys.stderr)
        return 2
    try:
        print('\n'.join(verify(raw, keys, heads)))
        return 0
    except Refused as e:
        print('REFUSED: %s' % e, file=sys.stderr)
    except Exception as e:  # a field is missing, or of another type: who signed that did not write what relgate writes
        print('REFUSED: what was signed is not of the form that docs/proof.md describes: %r' % e, file=sys.stderr)
    return 1

if __name__ == '__main__':
    sys.exit(main(sys.argv[1:]))
