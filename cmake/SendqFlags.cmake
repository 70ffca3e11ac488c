# Compiler and linker flags, all on the interface target sendq_flags.
include(CheckCCompilerFlag)
add_library(sendq_flags INTERFACE)
target_compile_definitions(sendq_flags INTERFACE _GNU_SOURCE SENDQ_VERSION="${PROJECT_VERSION}")
target_compile_options(sendq_flags INTERFACE
    -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wformat=2 -Wconversion
    -Wno-sign-conversion -Wimplicit-fallthrough -Wundef -Wpointer-arith -Wwrite-strings -g)
if(SENDQ_WERROR)
    target_compile_options(sendq_flags INTERFACE -Werror)
endif()
if(SENDQ_CRASH_POINTS)
    target_compile_definitions(sendq_flags INTERFACE SENDQ_CRASH_POINTS=1)
endif()
if(SENDQ_SANITIZE)
    target_compile_options(sendq_flags INTERFACE
        -fsanitize=address,undefined -fno-sanitize-recover=undefined -fno-omit-frame-pointer)
    target_link_options(sendq_flags INTERFACE -fsanitize=address,undefined)
endif()
if(SENDQ_FUZZ)
    target_compile_options(sendq_flags INTERFACE -fsanitize=fuzzer-no-link)
endif()
# OpenSSF's hardening guide, as far as this compiler knows the flags.
if(SENDQ_HARDEN)
    foreach(flag -Wtrampolines -Wbidi-chars=any -fstack-clash-protection -fstack-protector-strong
                 -fcf-protection=full -ftrivial-auto-var-init=zero -fPIE)
        string(MAKE_C_IDENTIFIER "HAVE${flag}" have)
        check_c_compiler_flag(${flag} ${have})
        if(${have})
            target_compile_options(sendq_flags INTERFACE ${flag})
        endif()
    endforeach()
    target_compile_options(sendq_flags INTERFACE -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=3)
    target_link_options(sendq_flags INTERFACE
        -pie -Wl,-z,relro -Wl,-z,now -Wl,-z,noexecstack -Wl,-z,nodlopen)
endif()
