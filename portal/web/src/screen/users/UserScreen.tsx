import { useState } from 'react'
import { api } from '../../api/client'
import type { User } from '../../api/types'
import { useLoad } from '../../api/useLoad'
import { Button } from '../../part/Button'
import { Crumbs } from '../../part/Crumbs'
import { ErrorNote } from '../../part/ErrorNote'
import { KeyValues } from '../../part/KeyValues'
import { Page } from '../../part/Page'
import { Panel } from '../../part/Panel'
import { Section } from '../../part/Section'
import { useSend } from '../../part/useSend'
import { useRouter } from '../../route/router'
import { useSession } from '../../session/session'
import { moment } from '../../text/format'
import { useText } from '../../text/text'
import { ConfirmDialog } from '../../part/ConfirmDialog'
import { EditUserForm } from './EditUserForm'
import { OneTime } from './OneTime'

/** One account: what it may, and what an administrator can do to it. */
export function UserScreen({ tenant, login }: { tenant: string; login: string }) {
  const { t, language } = useText()
  const { can, me } = useSession()
  const { go } = useRouter()
  const path = `/tenants/${encodeURIComponent(tenant)}/users/${encodeURIComponent(login)}`
  const load = useLoad<User>(path)
  const [asking, setAsking] = useState<'reset' | 'reset_totp' | 'remove'>()
  const [secret, setSecret] = useState('')
  const { busy, problem, send } = useSend()
  const act = () =>
    send(async () => {
      if (asking === 'remove') {
        await api.remove(path)
        go(`/bodies/${tenant}`)
        return
      }
      setSecret((await api.post<{ password: string }>(path + '/reset', asking === 'reset_totp' ? { totp: true } : {})).data.password)
      setAsking(undefined)
      load.reload()
    })
  const self = login === me.user.login
  return (
    <Page
      title={load.data?.name ?? login}
      above={
        <Crumbs
          trail={[
            { label: t('room.settings'), href: '/settings' },
            { label: t('users.title'), href: `/bodies/${tenant}` },
            { label: login },
          ]}
        />
      }
    >
      {secret && <OneTime label={t('users.new_password')} secret={secret} how={t('users.hand_over')} />}
      <Panel from={load} what={login}>
        {(u) => (
          <div className="flex max-w-[860px] flex-col gap-8">
            <KeyValues
              rows={[
                { key: 'login', label: t('user.login'), value: u.login },
                { key: 'role', label: t('user.role'), value: t('role.' + u.role) },
                { key: 'section', label: t('user.section'), value: u.section || '—' },
                { key: 'totp', label: t('user.totp'), value: t(u.totp ? 'user.totp_on' : 'user.totp_off') },
                { key: 'last', label: t('user.last'), value: u.last_login_at ? moment(u.last_login_at, language) : t('user.never') },
                { key: 'expires', label: t('user.expires'), value: u.expires_at ? moment(u.expires_at, language) : t('user.no_end') },
              ]}
            />
            {can('user.write') && (
              <>
                <Section title={t('user.change')}>
                  <EditUserForm key={load.etag} user={u} etag={load.etag} path={path} onSaved={load.reload} />
                </Section>
                <Section title={t('user.trouble')}>
                  <div className="card flex flex-col gap-4 p-5">
                    <p className="text-ink-2">{t('user.trouble_what')}</p>
                    <div className="flex flex-wrap gap-3 max-md:flex-col">
                      <Button icon="key" onClick={() => setAsking('reset')}>
                        {t('user.reset')}
                      </Button>
                      {u.totp && (
                        <Button icon="phone" onClick={() => setAsking('reset_totp')}>
                          {t('user.reset_totp')}
                        </Button>
                      )}
                      {!self && (
                        <Button look="danger" icon="trash" onClick={() => setAsking('remove')}>
                          {t('user.remove')}
                        </Button>
                      )}
                    </div>
                  </div>
                </Section>
              </>
            )}
          </div>
        )}
      </Panel>
      {asking && (
        <ConfirmDialog
          title={t(`user.ask.${asking}`, { name: load.data?.name ?? login })}
          what={t(`user.ask.${asking}_what`)}
          verb={t(`user.ask.${asking}_go`)}
          danger={asking === 'remove'}
          busy={busy}
          onGo={() => void act()}
          onClose={() => setAsking(undefined)}
        >
          {problem && <ErrorNote problem={problem} />}
        </ConfirmDialog>
      )}
    </Page>
  )
}
