import type { Json } from '../api/types'

/** One entry of a list's row. `ints` and `words` are typed with spaces or commas between. */
export interface Entry {
  name: string
  kind: 'text' | 'ints' | 'words' | 'date' | 'yesno' | 'number' | 'choice' | 'lines'
  required?: boolean
  options?: string[]
  least?: number
  most?: number
  /** What a new row begins with. */
  start?: Json
}

/** One field of a policy, as the form shows it. Its words stand in the catalogue under policy.<service>.<name>. */
export type FieldForm =
  | { name: string; kind: 'choice'; options: string[] }
  | { name: string; kind: 'level'; least: number; most: number }
  | { name: string; kind: 'number'; least: number; most: number }
  | { name: string; kind: 'yesno' }
  | { name: string; kind: 'set'; options: string[] }
  | { name: string; kind: 'list'; title: string; entries: Entry[] }

const waf: FieldForm[] = [
  { name: 'action', kind: 'choice', options: ['detect', 'block'] },
  { name: 'paranoia', kind: 'level', least: 1, most: 4 },
  { name: 'threshold', kind: 'number', least: 1, most: 1000 },
  { name: 'body_limit_kb', kind: 'number', least: 1, most: 1024 },
  { name: 'beyond', kind: 'choice', options: ['pass', 'block'] },
  { name: 'fail', kind: 'choice', options: ['open', 'closed'] },
  { name: 'response_inspection', kind: 'yesno' },
  { name: 'preview', kind: 'yesno' },
  { name: 'charsets', kind: 'set', options: ['shift_jis', 'euc-jp', 'iso-2022-jp'] },
  {
    name: 'exclusions',
    kind: 'list',
    title: 'path',
    entries: [
      { name: 'path', kind: 'text', required: true, start: '/' },
      { name: 'rules', kind: 'ints' },
      { name: 'tags', kind: 'words' },
      { name: 'parameter', kind: 'text' },
      { name: 'reason', kind: 'text', required: true },
      { name: 'owner', kind: 'text', required: true },
      { name: 'expires', kind: 'date', required: true },
    ],
  },
]

const site: FieldForm[] = [
  {
    name: 'sites',
    kind: 'list',
    title: 'host',
    entries: [
      { name: 'host', kind: 'text', required: true },
      { name: 'origin', kind: 'text', required: true, start: 'https://' },
      { name: 'redirect_https', kind: 'yesno', start: true },
      { name: 'min_tls', kind: 'choice', options: ['1.2', '1.3'] },
      { name: 'hsts_days', kind: 'number', least: 0, most: 730 },
      { name: 'max_body_mb', kind: 'number', least: 1, most: 4096 },
      { name: 'origin_timeout_s', kind: 'number', least: 1, most: 3600 },
      { name: 'legacy_paths', kind: 'yesno' },
      { name: 'origin_ca', kind: 'lines' },
    ],
  },
  { name: 'max_concurrent', kind: 'number', least: 1, most: 100_000 },
  { name: 'max_concurrent_per_source', kind: 'number', least: 1, most: 100_000 },
]

const forms: Record<string, FieldForm[]> = { waf, site }

/** The fields of a service's form; undefined when this build has none for it. */
export function formOf(service: string): FieldForm[] | undefined {
  return forms[service]
}
