//! Everything that a rule names, as it is now.

use std::collections::{BTreeMap, BTreeSet};

use chrono::Utc;
use chrono_tz::Tz;
use serde_json::Value;

use crate::{
    database::{DatabaseError, Tx},
    domain::{
        custom_field::FieldEntity,
        field::{FieldDefinition, FieldType},
        form_definition::FieldLibrary as _,
        form_template::Content,
        segment::engine::{FormKey, Known, KnownField, KnownForm, KnownItem, KnownSegment, Referred, Shape},
    },
    ids::{AppointmentTemplateId, CustomFieldId, FormTemplateId, OrganizationId, SegmentId},
};

/// Reads what a rule names, in at most six statements. `this` is the segment whose rule it is, or is going to be.
pub(in crate::domain::segment) async fn known_load(
    tx: &mut impl Tx,
    organization: OrganizationId,
    referred: &Referred,
    this: Option<SegmentId>,
) -> Result<Known, DatabaseError> {
    Ok(Known {
        zone: zone_get(tx, organization).await?,
        now: Utc::now(),
        fields: fields_get(tx, organization, &referred.fields).await?,
        forms: forms_get(tx, organization, &referred.forms).await?,
        appointment_templates: templates_get(tx, organization, &referred.appointment_templates).await?,
        segments: segments_get(tx, organization, &referred.segments, this).await?,
    })
}

async fn zone_get(tx: &mut impl Tx, organization: OrganizationId) -> Result<Tz, DatabaseError> {
    let zone = sqlx::query_scalar!("select timezone from organizations where id = $1", organization.0)
        .fetch_one(tx.connection()?)
        .await?;
    zone.parse().map_err(|_| DatabaseError::Damaged(format!("the time zone of organization {organization} is none")))
}

struct FieldRow {
    id: CustomFieldId,
    entity: FieldEntity,
    present: i32,
    version: i32,
    definition: Value,
}

async fn fields_get(
    tx: &mut impl Tx,
    organization: OrganizationId,
    ids: &BTreeSet<CustomFieldId>,
) -> Result<BTreeMap<CustomFieldId, KnownField>, DatabaseError> {
    let mut fields = BTreeMap::new();
    if ids.is_empty() {
        return Ok(fields);
    }
    let ids: Vec<i64> = ids.iter().map(|id| id.0).collect();
    let rows = sqlx::query_as!(
        FieldRow,
        r#"
        select f.id as "id: CustomFieldId", f.entity as "entity: FieldEntity", f.version as present, v.version,
               v.definition
        from custom_fields f
        join custom_field_versions v on v.organization_id = f.organization_id and v.custom_field_id = f.id
        where f.organization_id = $1 and f.id = any($2)
        "#,
        organization.0,
        &ids
    )
    .fetch_all(tx.connection()?)
    .await?;
    for FieldRow { id, entity, present, version, definition } in rows {
        let definition = FieldDefinition::try_from(definition)
            .map_err(|_| DatabaseError::Damaged(format!("version {version} of custom field {id} has no definition")))?;
        let field = fields.entry(id).or_insert_with(|| KnownField { entity, present, versions: BTreeMap::new() });
        field.versions.insert(version, definition);
    }
    Ok(fields)
}

async fn templates_get(
    tx: &mut impl Tx,
    organization: OrganizationId,
    ids: &BTreeSet<AppointmentTemplateId>,
) -> Result<BTreeSet<AppointmentTemplateId>, DatabaseError> {
    if ids.is_empty() {
        return Ok(BTreeSet::new());
    }
    let ids: Vec<i64> = ids.iter().map(|id| id.0).collect();
    let known = sqlx::query_scalar!(
        r#"
        select t.id as "id: AppointmentTemplateId" from appointment_templates t
        where t.organization_id = $1 and t.id = any($2)
        "#,
        organization.0,
        &ids
    )
    .fetch_all(tx.connection()?)
    .await?;
    Ok(known.into_iter().collect())
}

async fn segments_get(
    tx: &mut impl Tx,
    organization: OrganizationId,
    ids: &BTreeSet<SegmentId>,
    this: Option<SegmentId>,
) -> Result<BTreeMap<SegmentId, KnownSegment>, DatabaseError> {
    if ids.is_empty() {
        return Ok(BTreeMap::new());
    }
    let ids: Vec<i64> = ids.iter().map(|id| id.0).collect();
    let rows = sqlx::query!(
        r#"
        with recursive reading (origin, id) as (
            select s.id, s.id from segments s where s.organization_id = $1 and s.id = any($2)
            union
            select d.origin, r.referred_segment_id
            from reading d
            join segment_references r on r.organization_id = $1 and r.segment_id = d.id
            where r.referred_segment_id is not null
        )
        select s.id as "id!: SegmentId", s.state = 'valid' as "valid!",
               exists (select from reading d where d.origin = s.id and d.id = $3) as "reads_this!"
        from segments s
        where s.organization_id = $1 and s.id = any($2)
        "#,
        organization.0,
        &ids,
        this.map(|id| id.0)
    )
    .fetch_all(tx.connection()?)
    .await?;
    let known = |valid, reads_this| KnownSegment { valid, reads_this };
    Ok(rows.into_iter().map(|row| (row.id, known(row.valid, row.reads_this))).collect())
}

async fn forms_get(
    tx: &mut impl Tx,
    organization: OrganizationId,
    asked: &BTreeSet<FormKey>,
) -> Result<BTreeMap<FormTemplateId, KnownForm>, DatabaseError> {
    let mut forms = BTreeMap::new();
    if asked.is_empty() {
        return Ok(forms);
    }
    let pinned = asked.iter().filter_map(|form| Some((form.template.0, form.version?)));
    let (pinned_ids, pinned_versions): (Vec<i64>, Vec<i32>) = pinned.unzip();
    let ids: Vec<i64> = asked.iter().map(|form| form.template.0).collect();
    let keys: Vec<String> = asked.iter().map(|form| form.key.clone()).collect();
    let rows = sqlx::query!(
        r#"
        select t.id as "id: FormTemplateId", t.published_version as latest, v.version as "version?",
               v.content as "content?"
        from form_templates t
        left join form_template_versions v
            on v.organization_id = t.organization_id and v.form_template_id = t.id
               and (v.version = t.published_version
                    or exists (select from unnest($3::bigint[], $4::integer[]) as p (id, version)
                               where p.id = t.id and p.version = v.version))
        where t.organization_id = $1 and t.id = any($2)
        "#,
        organization.0,
        &ids,
        &pinned_ids,
        &pinned_versions
    )
    .fetch_all(tx.connection()?)
    .await?;
    for row in rows {
        let form: &mut KnownForm = forms.entry(row.id).or_default();
        form.latest = row.latest;
        let Some((version, content)) = row.version.zip(row.content) else { continue };
        let wanted: BTreeSet<&str> =
            asked.iter().filter(|form| form.template == row.id).map(|form| form.key.as_str()).collect();
        form.read.insert(version);
        let items = items(&Content::of_version(content)?, &wanted)?;
        form.items.extend(items.into_iter().map(|(key, item)| ((version, key), item)));
    }
    for (id, key, version, shape) in shapes_get(tx, organization, &ids, &keys).await? {
        if let Some(form) = forms.get_mut(&id) {
            form.shapes.entry(key).or_default().push((version, shape));
        }
    }
    Ok(forms)
}

/// Returns the items with these keys outside of groups.
fn items(content: &Content, wanted: &BTreeSet<&str>) -> Result<Vec<(String, KnownItem)>, DatabaseError> {
    let (compiled, library) = (content.compile()?, content.library());
    let telling = compiled.keys_shown_by_protected(&content.phi_cleared);
    let scores: BTreeMap<&str, bool> =
        compiled.scores(&content.phi_cleared).into_iter().map(|(key, phi)| (key.as_str(), phi)).collect();
    let all = content.definition.sections.iter().flat_map(|section| &section.items);
    let items = all.filter(|item| wanted.contains(item.key.as_str())).map(|item| {
        let key = item.key.as_str();
        let defined = item.field.as_ref().and_then(|field| {
            let pinned = field.custom_field.and_then(|version| library.field(version.id, version.version));
            field.definition.as_ref().or(pinned)
        });
        let known = match defined {
            Some(definition) => KnownItem::Field {
                definition: Box::new(definition.clone()),
                protected: definition.phi || telling.contains(key),
            },
            None if item.score.is_some() => KnownItem::Score { protected: scores.get(key).copied().unwrap_or(true) },
            None => KnownItem::Other,
        };
        (key.to_owned(), known)
    });
    Ok(items.collect())
}

/// Reads the shapes that the items with these keys have in all versions of their templates.
async fn shapes_get(
    tx: &mut impl Tx,
    organization: OrganizationId,
    ids: &[i64],
    keys: &[String],
) -> Result<Vec<(FormTemplateId, String, i32, Shape)>, DatabaseError> {
    let rows = sqlx::query!(
        r#"
        select r.id as "id!: FormTemplateId", r.key as "key!", v.version, i.item -> 'score' is not null as "is_score!",
               d.definition ->> 'field_type' as "field_type?: FieldType", d.definition ->> 'unit' as unit
        from (select distinct a.id, a.key from unnest($2::bigint[], $3::text[]) as a (id, key)) r
        join form_template_versions v on v.organization_id = $1 and v.form_template_id = r.id
        cross join lateral (
            select jsonb_path_query_first(v.content, '$.definition.sections[*].items[*] ? (@.key == $key)',
                                          jsonb_build_object('key', r.key)) as item) i
        cross join lateral (
            -- of a field that a custom field defines, as the version repeats it
            select coalesce(i.item #> '{field,definition}',
                            (select f.field -> 'definition'
                             from jsonb_array_elements(v.content -> 'fields') as f (field)
                             where f.field ->> 'custom_field_id' = i.item #>> '{field,custom_field,id}'
                               and f.field ->> 'version' = i.item #>> '{field,custom_field,version}')) as definition) d
        where i.item is not null
        "#,
        organization.0,
        ids,
        keys
    )
    .fetch_all(tx.connection()?)
    .await?;
    let shapes = rows.into_iter().filter_map(|row| {
        let field = row.field_type.map(|field_type| Shape::new(field_type, row.unit));
        let shape = if row.is_score { Some(Shape::SCORE) } else { field };
        Some((row.id, row.key, row.version, shape?))
    });
    Ok(shapes.collect())
}
