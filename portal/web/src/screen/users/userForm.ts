import type { Problem } from '../../api/problem'
import type { NewUser, Role, User } from '../../api/types'
import type { Text } from '../../text/text'

export interface UserForm {
  login: string
  name: string
  section: string
  role: Role
  expires: string
}

const longest = 30

export function formOfUser(u?: User): UserForm {
  return {
    login: u?.login ?? '',
    name: u?.name ?? '',
    section: u?.section ?? '',
    role: u?.role ?? 'tenant_staff',
    expires: u?.expires_at ? new Date(Date.parse(u.expires_at) + 9 * 3600_000).toISOString().slice(0, 10) : '',
  }
}

/** Which roles an account of a body can have: those of the prefecture only at the prefecture. */
export function rolesFor(isOperator: boolean): Role[] {
  return isOperator
    ? ['operator', 'soc', 'auditor', 'vendor', 'tenant_admin', 'tenant_staff']
    : ['tenant_admin', 'tenant_staff', 'auditor', 'vendor']
}

/** The last day ends at midnight in Japan. */
export function userOf(f: UserForm): NewUser {
  return {
    login: f.login.trim(),
    name: f.name.trim(),
    ...(f.section.trim() ? { section: f.section.trim() } : {}),
    role: f.role,
    ...(f.expires ? { expires_at: new Date(`${f.expires}T23:59:59+09:00`).toISOString() } : {}),
  }
}

export type UserErrors = Partial<Record<keyof UserForm, string>>

export function missing(f: UserForm, text: Text, now = Date.now()): UserErrors {
  const errors: UserErrors = {}
  if (!f.login.trim()) errors.login = text.t('entry.missing')
  if (!f.name.trim()) errors.name = text.t('entry.missing')
  if (f.role === 'vendor') {
    const end = Date.parse(`${f.expires}T23:59:59+09:00`)
    if (!f.expires) errors.expires = text.t('user.expires_missing')
    else if (end < now || end > now + (longest + 1) * 86_400_000) errors.expires = text.t('user.expires_range', { days: longest })
  }
  return errors
}

export function refused(problem: Problem | undefined, text: Text): UserErrors {
  const errors: UserErrors = {}
  for (const e of problem?.errors ?? []) {
    const name = e.path.replace(/^\/(body\/)?/, '').split('/')[0]
    errors[(name === 'expires_at' ? 'expires' : name) as keyof UserForm] = text.code('entry.', e.code, e.args, 'entry.other')
  }
  return errors
}
