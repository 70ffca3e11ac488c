/* sendqctl completion: scripts for shells, made from the tables of nouns, so that they know every
 * noun, verb and option there is. */
#include "ctl.h"

#include "text.h"

#define GLOBAL_OPTIONS "--config --redis --namespace --json --help --version"

static void add_words(struct buf *out, const struct ctl_noun *noun)
{
    for (const struct ctl_verb *v = noun->verbs; v->run; v++)
        if (v->name)
            buf_addf(out, "%s ", v->name);
    for (const struct ctl_option *o = noun->options; o && o->name; o++)
        buf_addf(out, "--%s ", o->name);
}

/* Both shells find the noun alike: the first word that is neither an option nor the value of one.
 */
static enum ctl_exit bash(struct ctl *c)
{
    const struct ctl_noun *noun;

    buf_adds(&c->out, "# bash completion for sendqctl\n"
                      "_sendqctl() {\n"
                      "    local cur=${COMP_WORDS[COMP_CWORD]} noun='' words i\n"
                      "    for ((i = 1; i < COMP_CWORD; i++)); do\n"
                      "        case ${COMP_WORDS[i]} in\n"
                      "        -c | --config | --redis | --namespace) i=$((i + 1)) ;;\n"
                      "        -*) ;;\n"
                      "        *)\n"
                      "            noun=${COMP_WORDS[i]}\n"
                      "            break\n"
                      "            ;;\n"
                      "        esac\n"
                      "    done\n"
                      "    case $noun in\n"
                      "    '') words='");
    for (size_t i = 0; (noun = ctl_noun_at(i)) != NULL; i++)
        buf_addf(&c->out, "%s ", noun->name);
    buf_adds(&c->out, "' ;;\n");
    for (size_t i = 0; (noun = ctl_noun_at(i)) != NULL; i++) {
        buf_addf(&c->out, "    %s) words='", noun->name);
        add_words(&c->out, noun);
        buf_adds(&c->out, "' ;;\n");
    }
    buf_adds(&c->out,
             "    esac\n"
             "    mapfile -t COMPREPLY < <(compgen -W \"$words " GLOBAL_OPTIONS "\" -- \"$cur\")\n"
             "}\n"
             "complete -o default -F _sendqctl sendqctl\n");
    return CTL_OK;
}

/* 'name:what it is', as _describe takes it. */
static void add_described(struct buf *out, const char *name, const char *help)
{
    buf_addf(out, " '%s:", name);
    for (const char *p = help; *p != '\0'; p++) {
        if (*p == '\'')
            buf_adds(out, "'\\''");
        else
            buf_addc(out, *p);
    }
    buf_addc(out, '\'');
}

static void zsh_noun(struct buf *out, const struct ctl_noun *noun)
{
    buf_addf(out, "    %s) found=(", noun->name);
    for (const struct ctl_verb *v = noun->verbs; v->run; v++)
        if (v->name)
            add_described(out, v->name, v->help);
    buf_adds(out, ")\n        options=(");
    for (const struct ctl_option *o = noun->options; o && o->name; o++)
        buf_addf(out, "--%s ", o->name);
    buf_adds(out, ") ;;\n");
}

static enum ctl_exit zsh(struct ctl *c)
{
    const struct ctl_noun *noun;

    buf_adds(&c->out, "#compdef sendqctl\n"
                      "_sendqctl() {\n"
                      "    local noun='' i\n"
                      "    local -a found options\n"
                      "    for ((i = 2; i < CURRENT; i++)); do\n"
                      "        case ${words[i]} in\n"
                      "        -c | --config | --redis | --namespace) i=$((i + 1)) ;;\n"
                      "        -*) ;;\n"
                      "        *)\n"
                      "            noun=${words[i]}\n"
                      "            break\n"
                      "            ;;\n"
                      "        esac\n"
                      "    done\n"
                      "    case $noun in\n"
                      "    '') found=(");
    for (size_t i = 0; (noun = ctl_noun_at(i)) != NULL; i++)
        add_described(&c->out, noun->name, noun->help);
    buf_adds(&c->out, ") ;;\n");
    for (size_t i = 0; (noun = ctl_noun_at(i)) != NULL; i++)
        zsh_noun(&c->out, noun);
    buf_adds(&c->out, "    esac\n"
                      "    ((${#found})) && _describe sendqctl found\n"
                      "    compadd -- $options " GLOBAL_OPTIONS "\n"
                      "    _files\n"
                      "}\n"
                      "_sendqctl \"$@\"\n");
    return CTL_OK;
}

static const struct ctl_verb verbs[] = {
    {"bash", NULL, 0, 0, bash, "a script for bash"},
    {"zsh", NULL, 0, 0, zsh, "a function for zsh"},
    {.run = NULL},
};

const struct ctl_noun ctl_completion = {"completion", "completion for shells", verbs, NULL};
