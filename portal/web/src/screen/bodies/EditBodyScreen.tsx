import type { Tenant } from '../../api/types'
import { useLoad } from '../../api/useLoad'
import { Crumbs } from '../../part/Crumbs'
import { Page } from '../../part/Page'
import { Panel } from '../../part/Panel'
import { useText } from '../../text/text'
import { EditBodyForm } from './EditBodyForm'

export function EditBodyScreen({ id }: { id: string }) {
  const { t } = useText()
  const load = useLoad<Tenant>(`/tenants/${encodeURIComponent(id)}`)
  const name = load.data?.name ?? id
  return (
    <Page
      title={t('bodies.edit', { name })}
      above={
        <Crumbs
          trail={[{ label: t('bodies.title'), href: '/bodies' }, { label: name, href: `/bodies/${id}` }, { label: t('action.edit') }]}
        />
      }
    >
      <Panel from={load} what={name}>
        {(body) => <EditBodyForm key={load.etag} body={body} etag={load.etag} />}
      </Panel>
    </Page>
  )
}
