package fix_test

import (
	"maps"
	"testing"

	"github.com/hitrate-bot/hitrate/internal/fix"
	"github.com/hitrate-bot/hitrate/internal/rules"
)

// TestTaken checks that a cache and an index stay in their layers where something that runs later takes them along,
// and that what only looks like that costs no suggestion.
func TestTaken(t *testing.T) {
	const (
		pip  = "FROM python:3.12\nRUN pip install flask==3.0.0\n"
		apt  = "FROM debian:12\nRUN apt-get update && apt-get install -y curl\n"
		flag = "FROM python:3.12\nRUN --mount=type=cache,target=/root/.cache/pip pip install --no-cache-dir flask==3.0.0\n"
	)
	for _, tt := range []struct {
		name, file string
		files      map[string]string
		kept       bool
	}{
		{"cp of the home", pip + "RUN cp -a /root /home/x\n", nil, true},
		{"cp of the home by its sign", pip + "RUN cp -a ~ /home/x\n", nil, true},
		{"cp of the home by its variable", pip + "RUN cp -a \"$HOME\" /home/x\n", nil, true},
		{"cp into the home", pip + "RUN cp /etc/hosts /root/\n", nil, false},
		{"cp -t into the home", pip + "RUN cp -t /root /etc/hosts\n", nil, false},
		{"cp of another file", pip + "RUN cp /etc/hosts /b\n", nil, false},
		{"cp of the dot files", pip + "RUN cp -a /root/.[a-z]* /home/x/\n", nil, true},
		{"cp of all but the dot files", pip + "RUN cp -a /root/* /home/x/\n", nil, false},
		{"cp from a directory that is not known", pip + "RUN cd $(cat /where) && cp -a root /x\n", nil, true},
		{"cp of another file from there", pip + "RUN cd $(cat /where) && cp -a lib /x\n", nil, false},
		{"tar", pip + "RUN tar cf /b.tar /root\n", nil, true},
		{"tar of everything", pip + "RUN tar --exclude=/proc -cf /b.tar /\n", nil, true},
		{"tar from a directory", pip + "RUN tar -C / -cf x.tar root\n", nil, true},
		{"tar from a directory, in the old style", pip + "RUN tar cfC x.tar / root\n", nil, true},
		{"tar below cd", pip + "RUN cd / && tar cf x.tar root\n", nil, true},
		{"tar in the working directory", pip + "WORKDIR /root\nRUN tar cf /x.tar .\n", nil, true},
		{"tar that unpacks", pip + "RUN tar -C /root -xf /x.tar\n", nil, false},
		{"tar of something else", pip + "RUN tar -C /etc -cf /x.tar hosts\n", nil, false},
		{"zip", pip + "RUN cd /root && zip -r /x.zip .\n", nil, true},
		{"rsync", pip + "RUN rsync -a --exclude .git ~/ /out/\n", nil, true},
		{"du into a file", pip + "RUN du -s / > /size\n", nil, true},
		{"du to be read", pip + "RUN du -sh /\n", nil, false},
		{"find into a file", pip + "RUN find / -type f | sort > /list\n", nil, true},
		{"find that copies", pip + "RUN find / -name '*.whl' -exec cp {} /wheels \\;\n", nil, true},
		{"find that removes", pip + "RUN find / -name '*.pyc' -delete\n", nil, false},
		{"find that xargs removes", pip + "RUN find / -name __pycache__ | xargs rm -rf\n", nil, false},
		{"find to be read", pip + "RUN find / -size +10M | head\n", nil, false},
		{"a program of Python", pip + "RUN python -c \"import shutil; shutil.copytree('/root', '/x')\"\n", nil, true},
		{"what pip says of its cache", pip + "RUN pip cache list > /x\n", nil, true},
		{"where pip has its cache", pip + "RUN cp -r $(pip cache dir) /x\n", nil, true},
		{"what pip says of its cache, to go", pip + "RUN rm -rf $(pip cache dir)\n", nil, false},
		{"here-document", pip + "RUN <<EOF\ncp -a /root /x\nEOF\n", nil, true},
		{"trigger", pip + "ONBUILD RUN cp -a /root/.cache/pip /x\n", nil, true},
		{"stage on top", "FROM python:3.12 AS base\nRUN pip install flask==3.0.0\nFROM base\nRUN mv /root /x\n", nil, true},
		{"command", pip + "CMD [\"sh\", \"-c\", \"cp -r /root/.cache/pip /data\"]\n", nil, true},
		{"script", pip + "COPY pack.sh /\nRUN /pack.sh\n", map[string]string{"pack.sh": "#!/bin/sh\ntar cf /x.tar ~\n"}, true},
		{"script in a script", pip + "COPY . /app\nWORKDIR /app\nRUN ./all.sh\n",
			map[string]string{"all.sh": "sh scripts/pack.sh\n", "scripts/pack.sh": "cp -a ~/.cache/pip /x\n"}, true},
		{"script in the Dockerfile", pip + "COPY <<EOF /pack.sh\ncp -a /root /x\nEOF\nRUN sh /pack.sh\n", nil, true},
		{"script of Python", pip + "COPY pack.py /\nRUN python /pack.py\n",
			map[string]string{"pack.py": "import os, shutil\nshutil.copytree(os.path.expanduser('~/.cache/pip'), '/x')\n"}, true},
		{"script that has to do with the home", pip + "COPY pack.py /\nRUN python /pack.py\n",
			map[string]string{"pack.py": "import os\nos.makedirs('/root/.cache/huggingface', exist_ok=True)\nprint(os.path.expanduser('~'))\n"}, false},
		{"Makefile", pip + "COPY Makefile /app/\nWORKDIR /app\nRUN make pack\n", map[string]string{"Makefile": "pack:\n\tcp -a $(HOME)/.cache/pip /x\n"}, true},
		{"command of another RUN with the mount", pip + "RUN --mount=type=cache,target=/root/.cache/pip cp -a /root/.cache/pip /x\n", nil, true},
		{"install of another RUN with the mount", pip + "RUN --mount=type=cache,target=/root/.cache/pip pip install django==5.0\n", nil, false},
		{"flag, and a command of another RUN with the mount", flag + "RUN --mount=type=cache,target=/root/.cache/pip cp -a /root/.cache/pip /x\n", nil, true},
		{"flag", flag, nil, false},
		{"command that wants no network", "FROM python:3.12\nRUN uv pip install --system flask==3.0.0\nCMD [\"uv\", \"run\", \"--offline\", \"flask\"]\n", nil, true},
		{"index in an archive of everything", apt + "RUN tar cf /x.tar /\n", nil, true},
		{"index in a relative path", apt + "RUN cd /var && cp -a lib /x\n", nil, true},
		{"index in a copy to its place", apt + "RUN cp /etc/hosts /var/lib/\n", nil, false},
		{"index for a Makefile", apt + "COPY Makefile /\nRUN make\n", map[string]string{"Makefile": "all:\n\tapt-get install -y jq\n"}, true},
		{"index for a Makefile that updates", apt + "COPY Makefile /\nRUN make\n", map[string]string{"Makefile": "all:\n\tapt-get update && apt-get install -y jq\n"}, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			files := map[string]string{".dockerignore": ".git\nDockerfile\n"}
			maps.Copy(files, tt.files)
			in, ok := inputOf(t, []byte(tt.file), files)
			if !ok {
				t.Fatal("does not parse")
			}
			findings := rules.Run(in)
			r := fix.Prove(t.Context(), in, findings)
			if len(findings) == 0 {
				t.Fatal("no findings")
			}
			if (len(r.Suggestions) == 0) != tt.kept {
				t.Errorf("suggestions %v, withheld %v", r.Suggestions, r.Withheld)
			}
		})
	}
}
