import { useState } from 'react'
import { KeyValues } from '../../part/KeyValues'
import { Page } from '../../part/Page'
import { Section } from '../../part/Section'
import { PasswordForm } from '../../session/PasswordForm'
import { useSession } from '../../session/session'
import { moment } from '../../text/format'
import { useText } from '../../text/text'
import { AccountTabs } from './AccountTabs'
import { SecondFactor } from './SecondFactor'

/** One's own account: who one is here, password, second factor. */
export function AccountScreen() {
  const { t, language } = useText()
  const { me } = useSession()
  const [changed, setChanged] = useState(0)
  const u = me.user
  return (
    <Page title={t('menu.account')}>
      <AccountTabs now="account" />
      <div className="flex max-w-[720px] flex-col gap-8">
        <Section title={t('account.who')}>
          <KeyValues
            rows={[
              { key: 'name', label: t('user.name'), value: [u.section, u.name].filter(Boolean).join(' ') },
              { key: 'login', label: t('user.login'), value: u.login },
              { key: 'role', label: t('user.role'), value: `${me.tenant.name} ${t('role.' + u.role)}` },
              { key: 'last', label: t('user.last'), value: u.last_login_at ? moment(u.last_login_at, language) : t('user.never') },
              ...(u.expires_at ? [{ key: 'expires', label: t('user.expires'), value: moment(u.expires_at, language) }] : []),
            ]}
          />
        </Section>
        <SecondFactor />
        <Section title={t('account.password')}>
          <div className="card flex flex-col gap-4 p-6 max-md:p-4">
            <p role="status" className={changed ? 'text-green-900' : 'hidden'}>
              {changed > 0 && t('account.password_changed')}
            </p>
            <PasswordForm key={changed} login={u.login} oldLabel={t('account.old')} onDone={() => setChanged(changed + 1)} />
          </div>
        </Section>
      </div>
    </Page>
  )
}
