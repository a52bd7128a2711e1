import type { Problem } from '../../api/problem'
import type { Tenant } from '../../api/types'
import type { Text } from '../../text/text'

/** A body as it stands in the form: lists are lines. */
export interface TenantForm {
  id: string
  name: string
  name_en: string
  kind: string
  staff: string
  sources: string
  hosts: string
  mail_domains: string
  section: string
  phone: string
  mail: string
}

export const kinds = ['municipality', 'union', 'board', 'council', 'private', 'prefecture']

const lines = (list: string[] | undefined) => (list ?? []).join('\n')
const list = (text: string) => text.split(/[\s,]+/).filter(Boolean)

export function formOfTenant(t?: Tenant): TenantForm {
  return {
    id: t?.id ?? '',
    name: t?.name ?? '',
    name_en: t?.name_en ?? '',
    kind: t?.kind ?? 'municipality',
    staff: t?.staff ? String(t.staff) : '',
    sources: lines(t?.sources),
    hosts: lines(t?.hosts),
    mail_domains: lines(t?.mail_domains),
    section: t?.contact.section ?? '',
    phone: t?.contact.phone ?? '',
    mail: t?.contact.mail ?? '',
  }
}

/** What the API is sent: empty fields are absent. */
export function tenantOf(f: TenantForm, operator: string): Tenant {
  return {
    id: f.id.trim(),
    operator,
    name: f.name.trim(),
    ...(f.name_en.trim() ? { name_en: f.name_en.trim() } : {}),
    kind: f.kind as Tenant['kind'],
    ...(Number(f.staff) > 0 ? { staff: Number(f.staff) } : {}),
    ...(list(f.sources).length ? { sources: list(f.sources) } : {}),
    ...(list(f.hosts).length ? { hosts: list(f.hosts) } : {}),
    ...(list(f.mail_domains).length ? { mail_domains: list(f.mail_domains) } : {}),
    contact: {
      ...(f.section.trim() ? { section: f.section.trim() } : {}),
      ...(f.phone.trim() ? { phone: f.phone.trim() } : {}),
      ...(f.mail.trim() ? { mail: f.mail.trim() } : {}),
    },
  }
}

/** The check of the six digits: 総務省「全国地方公共団体コード仕様」, weights 6 5 4 3 2. */
export function validCode(id: string): boolean {
  if (/^x-[a-z0-9]([a-z0-9-]{0,30}[a-z0-9])?$/.test(id)) return true
  if (!/^\d{6}$/.test(id)) return false
  const sum = [...id.slice(0, 5)].reduce((s, c, i) => s + Number(c) * (6 - i), 0)
  return (11 - (sum % 11)) % 10 === Number(id[5])
}

export type TenantErrors = Partial<Record<keyof TenantForm, string>>

/** What is missing or wrong before anything is sent. */
export function missing(f: TenantForm, text: Text): TenantErrors {
  const errors: TenantErrors = {}
  if (!validCode(f.id.trim())) errors.id = text.t(f.id.trim() ? 'entry.not_a_code' : 'entry.missing')
  if (!f.name.trim()) errors.name = text.t('entry.missing')
  if (f.staff.trim() && !/^\d+$/.test(f.staff.trim())) errors.staff = text.t('entry.numbers_only')
  return errors
}

/** What the server refused, by field. */
export function refused(problem: Problem | undefined, text: Text): TenantErrors {
  const errors: TenantErrors = {}
  for (const e of problem?.errors ?? []) {
    const parts = e.path.replace(/^\/(body\/)?/, '').split('/')
    const field = (parts[0] === 'contact' ? parts[1] : parts[0]) as keyof TenantForm | undefined
    if (field) errors[field] = text.code('entry.', e.code, e.args, 'entry.other')
  }
  return errors
}
