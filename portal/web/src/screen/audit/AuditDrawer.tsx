import type { AuditRecord } from '../../api/types'
import { Drawer } from '../../part/Drawer'
import { KeyValues } from '../../part/KeyValues'
import { moment } from '../../text/format'
import { useText } from '../../text/text'

/** One record of the chain with what was before and after. */
export function AuditDrawer({ record, onClose }: { record: AuditRecord; onClose: () => void }) {
  const { t, name, language } = useText()
  const block = (value: unknown) => (
    <pre className="max-h-60 overflow-auto rounded-8 bg-side p-3 font-mono text-14 whitespace-pre-wrap wrap-anywhere">
      {JSON.stringify(value, null, 1)}
    </pre>
  )
  return (
    <Drawer title={t('audit.one', { n: record.seq })} onClose={onClose}>
      <KeyValues
        narrow
        rows={[
          { key: 'time', label: t('event.time'), value: moment(record.time, language, 'second') },
          { key: 'actor', label: t('audit.actor'), value: <span className="wrap-anywhere">{record.actor}</span> },
          { key: 'address', label: t('audit.address'), value: record.address || '—' },
          { key: 'action', label: t('audit.action'), value: name('audit.act.', record.action) },
          { key: 'object', label: t('audit.object'), value: <span className="wrap-anywhere">{record.object || '—'}</span> },
          { key: 'reason', label: t('audit.reason'), value: record.reason || '—' },
          { key: 'hash', label: t('audit.hash'), value: <span className="font-mono text-14 wrap-anywhere">{record.hash}</span> },
        ]}
      />
      {record.before !== undefined && record.before !== null && (
        <div>
          <h3 className="font-700">{t('audit.before')}</h3>
          {block(record.before)}
        </div>
      )}
      {record.after !== undefined && record.after !== null && (
        <div>
          <h3 className="font-700">{t('audit.after')}</h3>
          {block(record.after)}
        </div>
      )}
    </Drawer>
  )
}
