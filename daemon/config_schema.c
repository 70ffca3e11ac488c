/* The libcyaml schema, built from the settings tables, and the loading of a file by it.
 *
 * Every setting is loaded as text into its cell: types are judged later (config_value.c), when
 * the environment has had its say, and all at once. Groups ("redis:") are mappings that begin at
 * the same address as their parent, so one flat array of cells serves any nesting. */
#include "config_impl.h"

#include <cyaml/cyaml.h>
#include <string.h>

static const cyaml_schema_value_t text_schema = {
    .type = CYAML_STRING,
    .flags = CYAML_FLAG_POINTER,
    .data_size = sizeof(char),
    .string = {.min = 0, .max = CONFIG_TEXT_MAX},
};

static cyaml_schema_field_t *build_fields(struct pool *p, const struct scope *scope,
                                          const char *prefix, unsigned extra);

static cyaml_schema_value_t list_schema(const cyaml_schema_value_t *entry, size_t size,
                                        uint32_t max)
{
    return (cyaml_schema_value_t){
        .type = CYAML_SEQUENCE,
        .flags = CYAML_FLAG_POINTER_NULL | CYAML_FLAG_OPTIONAL,
        .data_size = (uint32_t)size,
        .sequence = {.entry = entry, .min = 0, .max = max},
    };
}

static cyaml_schema_field_t leaf_field(const struct scope *scope, unsigned i, const char *key)
{
    cyaml_schema_field_t f = {
        .key = key,
        .data_offset = (uint32_t)(i * sizeof(struct cell) + offsetof(struct cell, text)),
        .count_offset = (uint32_t)(i * sizeof(struct cell) + offsetof(struct cell, count)),
        .count_size = sizeof(uint64_t),
        .value = text_schema,
    };

    f.value.flags |= CYAML_FLAG_OPTIONAL;
    if (i < scope->count && setting_is_list(&scope->settings[i]))
        f.value = list_schema(&text_schema, sizeof(char *), CONFIG_LIST_MAX);
    return f;
}

static cyaml_schema_field_t group_field(struct pool *p, const struct scope *scope,
                                        const char *prefix, const char *key)
{
    return (cyaml_schema_field_t){
        .key = key,
        .value =
            {
                .type = CYAML_MAPPING,
                .flags = CYAML_FLAG_OPTIONAL,
                .data_size = (uint32_t)(scope->count * sizeof(struct cell)),
                .mapping = {.fields = build_fields(p, scope, prefix, 0)},
            },
    };
}

static bool has_field(const cyaml_schema_field_t *fields, unsigned count, const char *key)
{
    for (unsigned i = 0; i < count; i++)
        if (strcmp(fields[i].key, key) == 0)
            return true;
    return false;
}

/* The fields of the mapping that holds the settings below prefix ("" or "redis."), with room for
 * `extra` more and the terminator. */
static cyaml_schema_field_t *build_fields(struct pool *p, const struct scope *scope,
                                          const char *prefix, unsigned extra)
{
    size_t skip = strlen(prefix);
    cyaml_schema_field_t *fields = pool_alloc(p, (scope->count + extra + 1) * sizeof(*fields));
    unsigned count = 0;

    for (unsigned i = 0; i < scope->count; i++) {
        const char *path = scope->settings[i].path;
        const char *key, *dot;

        if (strncmp(path, prefix, skip) != 0)
            continue;
        dot = strchr(path + skip, '.');
        if (!dot) {
            fields[count++] = leaf_field(scope, i, path + skip);
            continue;
        }
        key = pool_strndup(p, path + skip, (size_t)(dot - path - skip));
        if (!has_field(fields, count, key)) {
            const char *below = pool_strndup(p, path, (size_t)(dot + 1 - path));

            fields[count++] = group_field(p, scope, below, key);
        }
    }
    return fields;
}

/* The whole file: the root's settings and the list of senders. */
static cyaml_schema_value_t *build_schema(struct config_impl *impl)
{
    struct pool *p = &impl->pool;
    cyaml_schema_value_t *schemas = pool_alloc(p, 2 * sizeof(*schemas));
    cyaml_schema_value_t *root = &schemas[0], *sender = &schemas[1];
    cyaml_schema_field_t *fields = build_fields(p, &impl->root, "", 1);
    size_t sender_size = impl->sender.count * sizeof(struct cell);
    unsigned last = 0;

    *sender = (cyaml_schema_value_t){
        .type = CYAML_MAPPING,
        .data_size = (uint32_t)sender_size,
        .mapping = {.fields = build_fields(p, &impl->sender, "", 0)},
    };
    while (fields[last].key)
        last++;
    fields[last] = leaf_field(&impl->root, impl->root.count, "senders");
    fields[last].value = list_schema(sender, sender_size, CONFIG_SENDERS_MAX);
    *root = (cyaml_schema_value_t){
        .type = CYAML_MAPPING,
        .flags = CYAML_FLAG_POINTER,
        .data_size = (uint32_t)((impl->root.count + 1) * sizeof(struct cell)),
        .mapping = {.fields = fields},
    };
    return root;
}

/* libcyaml's memory holds secrets: it is the pool's. Size 0 frees, as cyaml_mem does. */
static void *on_cyaml_mem(void *ctx, void *ptr, size_t size)
{
    if (size == 0) {
        pool_release(ctx, ptr);
        return NULL;
    }
    return pool_realloc(ctx, ptr, size);
}

static bool load_cells(struct load *l, const cyaml_schema_value_t *schema, const char *text,
                       size_t len)
{
    struct config_impl *impl = l->impl;
    const cyaml_config_t how = {
        .mem_fn = on_cyaml_mem,
        .mem_ctx = &impl->pool,
        .log_level = CYAML_LOG_ERROR,
        .flags = CYAML_CFG_NO_ALIAS,
    };
    struct cell *cells = NULL;
    cyaml_err_t err;

    err = cyaml_load_data((const uint8_t *)text, len, &how, schema, (cyaml_data_t **)&cells, NULL);
    if (err != CYAML_OK) {
        /* structure_check has the words; this is for what only libcyaml minds. */
        load_error(l, NULL, "YAML", "expected settings as documented: %s", cyaml_strerror(err));
        return false;
    }
    if (cells) { /* NULL: the file sets nothing */
        impl->cells = cells;
        impl->senders = (struct cell *)cells[impl->root.count].list;
        l->config->sender_count = (unsigned)cells[impl->root.count].count;
    }
    return true;
}

bool schema_load(struct load *l, const char *text, size_t len)
{
    const cyaml_schema_value_t *schema = build_schema(l->impl);

    return structure_check(l, l->doc, schema) && load_cells(l, schema, text, len);
}
