// What the mock of the API serves: a prefecture with three bodies, a week of
// requests with attacks among them, and its people.
import { createHash } from 'node:crypto'

export const operator = '990001'
export const tenants = [
  {
    id: '990001',
    operator,
    name: 'さくら県',
    name_en: 'Sakura Prefecture',
    kind: 'prefecture',
    staff: 4200,
    contact: { section: '情報政策課 セキュリティ係', phone: '0120-000-000', mail: 'soc@pref.sakura.example' },
  },
  {
    id: '994413',
    operator,
    name: '若葉村',
    name_en: 'Wakaba Village',
    kind: 'municipality',
    staff: 40,
    sources: ['127.10.0.0/16', '127.0.0.1/32'],
    hosts: ['www.vill.wakaba.example'],
    mail_domains: ['vill.wakaba.example'],
    contact: { section: '総務課 情報係', phone: '0555-00-1234' },
  },
  {
    id: '992011',
    operator,
    name: '花見市',
    name_en: 'Hanami City',
    kind: 'municipality',
    staff: 5000,
    sources: ['127.11.0.0/16'],
    hosts: ['www.city.hanami.example'],
    mail_domains: ['city.hanami.example'],
    contact: { section: '情報政策課', phone: '0555-11-1000' },
  },
  {
    id: '998010',
    operator,
    name: 'さくら広域連合',
    name_en: 'Sakura Union',
    kind: 'union',
    staff: 120,
    sources: ['127.12.0.0/16'],
    hosts: ['www.union.sakura.example'],
    mail_domains: ['union.sakura.example'],
    contact: { section: '総務課', phone: '0555-22-2000' },
  },
]

export const scopes = {
  operator: [
    'session.own',
    'tenant.read',
    'tenant.write',
    'user.read',
    'user.write',
    'token.own',
    'policy.read',
    'policy.write',
    'policy.baseline',
    'event.read',
    'event.export',
    'audit.read',
    'home.read',
    'status.read',
    'backup.read',
    'backup.run',
    'site.read',
  ],
  soc: ['session.own', 'tenant.read', 'token.own', 'policy.read', 'event.read', 'event.export', 'home.read', 'status.read', 'site.read'],
  tenant_admin: [
    'session.own',
    'tenant.read',
    'user.read',
    'user.write',
    'token.own',
    'policy.read',
    'policy.write',
    'event.read',
    'event.export',
    'audit.read',
    'home.read',
    'site.read',
  ],
  tenant_staff: ['session.own', 'tenant.read', 'home.read', 'site.read'],
  auditor: [
    'session.own',
    'tenant.read',
    'user.read',
    'policy.read',
    'event.read',
    'event.export',
    'audit.read',
    'home.read',
    'status.read',
    'backup.read',
    'site.read',
  ],
  vendor: ['session.own', 'tenant.read', 'policy.read', 'event.read', 'home.read', 'status.read', 'site.read'],
}

const all = [
  'home',
  'cases',
  'logs',
  'web',
  'internet',
  'mail',
  'files',
  'dns',
  'endpoints',
  'requests',
  'assets',
  'operations',
  'helpdesk',
  'reports',
  'assessment',
  'settings',
  'audit',
]
export const rooms = {
  operator: all,
  soc: all,
  tenant_admin: ['home', 'requests', 'helpdesk', 'logs', 'ledger', 'settings'],
  tenant_staff: ['home', 'requests', 'helpdesk'],
  auditor: ['home', 'logs', 'web', 'operations', 'reports', 'audit'],
  vendor: ['home', 'logs', 'web', 'operations'],
}

export const defaults = {
  waf: {
    action: 'block',
    paranoia: 1,
    threshold: 5,
    body_limit_kb: 128,
    beyond: 'block',
    fail: 'closed',
    response_inspection: false,
    preview: false,
    charsets: ['shift_jis', 'euc-jp'],
    exclusions: [],
  },
  site: { sites: [], max_concurrent: 512, max_concurrent_per_source: 128 },
}

const attacks = [
  {
    'rule.id': '942100',
    'rule.name': 'SQL Injection Attack Detected via libinjection',
    'rule.category': 'sqli',
    'url.path': '/search',
    'url.query': "q=1' OR '1'='1",
    'http.request.method': 'GET',
  },
  {
    'rule.id': '941100',
    'rule.name': 'XSS Attack Detected via libinjection',
    'rule.category': 'xss',
    'url.path': '/form/inquiry',
    'http.request.method': 'POST',
  },
  {
    'rule.id': '930120',
    'rule.name': 'OS File Access Attempt',
    'rule.category': 'lfi',
    'url.path': '/download',
    'url.query': 'f=../../etc/passwd',
    'http.request.method': 'GET',
  },
  {
    'rule.id': '932160',
    'rule.name': 'Remote Command Execution: Unix Shell Code Found',
    'rule.category': 'rce',
    'url.path': '/cgi-bin/status',
    'http.request.method': 'GET',
  },
]
const pages = ['/', '/kurashi/', '/kurashi/gomi/', '/bousai/', '/form/inquiry', '/news/2026/11/', '/assets/site.css', '/gikai/']

// A small generator with a seed: the same rows at each start.
function random(seed) {
  let s = seed
  return () => {
    s = (s * 1664525 + 1013904223) % 4294967296
    return s / 4294967296
  }
}

export function events(now) {
  const next = random(20261125)
  const rows = []
  for (let i = 0; i < 1600; i++) {
    // Half of the rows fall into the last hour, the rest into the week before.
    const at = i < 800 ? now - next() * 3600_000 : now - 3600_000 - next() * 6.5 * 86_400_000
    const body = tenants[1 + Math.floor(next() * 3)]
    const id = createHash('sha256').update(`event ${i}`).digest('hex')
    const attack = next() < 0.12 ? attacks[Math.floor(next() * attacks.length)] : null
    const detected = attack && body.id === '998010'
    const base = {
      _time: new Date(at).toISOString(),
      'event.id': `${id.slice(0, 8)}-${id.slice(8, 12)}-7${id.slice(13, 16)}-8${id.slice(17, 20)}-${id.slice(20, 32)}`,
      tenant: body.id,
      'url.domain': body.hosts[0],
      'url.scheme': 'https',
      'source.ip': attack ? `203.0.113.${40 + Math.floor(next() * 6)}` : `198.51.100.${Math.floor(next() * 200)}`,
      'source.port': String(1024 + Math.floor(next() * 60000)),
      'user_agent.original': attack ? 'sqlmap/1.8' : 'Mozilla/5.0 (Windows NT 10.0; Win64; x64)',
      'http.version': '2',
      'tls.version': '1.3',
      'event.duration': String(Math.floor(next() * 40e6)),
      'policy.version': '3',
    }
    if (attack) {
      const code = id
        .toUpperCase()
        .replace(/[01]/g, 'X')
        .replace(/[^2-9A-Z]/g, '')
      rows.push({
        ...base,
        ...attack,
        service: 'waf',
        'event.action': detected ? 'request_detected' : 'request_blocked',
        'event.outcome': detected ? 'detected' : 'blocked',
        'event.category': 'intrusion_detection',
        'event.reference': `WB-${code.slice(0, 4)}-${code.slice(4, 8)}`,
        'http.response.status_code': detected ? '200' : '403',
        'waf.score': '10',
        'waf.threshold': '5',
        'waf.paranoia': '1',
        'waf.matches': JSON.stringify([
          { id: Number(attack['rule.id']), pl: 1, score: 5, msg: attack['rule.name'], var: 'ARGS:q', payload: "1' OR '1'='1" },
          { id: 949110, pl: 1, score: 5, msg: 'Inbound Anomaly Score Exceeded', var: 'TX', payload: '10' },
        ]),
      })
    } else {
      rows.push({
        ...base,
        service: 'site',
        'event.action': 'request_served',
        'event.outcome': 'passed',
        'event.category': 'web',
        'url.path': pages[Math.floor(next() * pages.length)],
        'http.request.method': 'GET',
        'http.response.status_code': '200',
        'http.response.body.bytes': String(Math.floor(next() * 90000)),
      })
    }
  }
  return rows.sort((a, b) => (a._time < b._time ? 1 : -1))
}
