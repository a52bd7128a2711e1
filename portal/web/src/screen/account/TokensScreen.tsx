import { useState } from 'react'
import { api } from '../../api/client'
import type { Page as PageOf, Token } from '../../api/types'
import { useLoad } from '../../api/useLoad'
import { Button } from '../../part/Button'
import { ConfirmDialog } from '../../part/ConfirmDialog'
import { DataTable } from '../../part/DataTable'
import { EmptyState } from '../../part/EmptyState'
import { ErrorNote } from '../../part/ErrorNote'
import { Page } from '../../part/Page'
import { Panel } from '../../part/Panel'
import { Section } from '../../part/Section'
import { useSend } from '../../part/useSend'
import { moment } from '../../text/format'
import { useText } from '../../text/text'
import { OneTime } from '../users/OneTime'
import { AccountTabs } from './AccountTabs'
import { TokenForm } from './TokenForm'

/** Keys for programs that use the API in one's own name. */
export function TokensScreen() {
  const { t, language } = useText()
  const load = useLoad<PageOf<Token>>('/tokens')
  const [secret, setSecret] = useState('')
  const [ending, setEnding] = useState<Token>()
  const { busy, problem, send } = useSend()
  const revoke = (token: Token) =>
    send(async () => {
      await api.remove(`/tokens/${encodeURIComponent(token.id)}`)
      setEnding(undefined)
      load.reload()
    })
  return (
    <Page title={t('menu.tokens')}>
      <AccountTabs now="tokens" />
      <p className="max-w-[44em]">{t('tokens.what')}</p>
      {secret && <OneTime label={t('tokens.secret')} secret={secret} how={t('tokens.how')} />}
      <Section title={t('tokens.list')}>
        <div className="card overflow-hidden">
          <Panel from={load} what={t('tokens.list')}>
            {(data) => (
              <DataTable
                caption={t('tokens.list')}
                rows={data.items}
                rowKey={(x) => x.id}
                columns={[
                  { key: 'name', label: t('tokens.name'), className: 'md:min-w-24', cell: (x) => <span className="font-700 wrap-anywhere">{x.name}</span> },
                  {
                    key: 'scopes',
                    label: t('tokens.scopes'),
                    cell: (x) => <span className="wrap-anywhere">{x.scopes.map((s) => t('scope.' + s)).join(', ')}</span>,
                  },
                  { key: 'until', label: t('tokens.until'), className: 'md:whitespace-nowrap', cell: (x) => moment(x.expires_at, language) },
                  {
                    key: 'end',
                    label: t('tokens.act'),
                    className: 'whitespace-nowrap',
                    cell: (x) => (
                      <Button small look="danger" aria-label={t('tokens.end_one', { name: x.name })} onClick={() => setEnding(x)}>
                        {t('tokens.end')}
                      </Button>
                    ),
                  },
                ]}
                empty={<EmptyState title={t('tokens.none')}>{t('tokens.none_why')}</EmptyState>}
              />
            )}
          </Panel>
        </div>
      </Section>
      <Section title={t('tokens.make')}>
        <TokenForm
          onMade={(token) => {
            setSecret(token)
            load.reload()
            window.scrollTo(0, 0)
          }}
        />
      </Section>
      {ending && (
        <ConfirmDialog
          title={t('tokens.end_one', { name: ending.name })}
          what={t('tokens.end_what')}
          verb={t('tokens.end')}
          danger
          busy={busy}
          onGo={() => void revoke(ending)}
          onClose={() => setEnding(undefined)}
        >
          {problem && <ErrorNote problem={problem} />}
        </ConfirmDialog>
      )}
    </Page>
  )
}
