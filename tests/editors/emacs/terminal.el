;;; terminal.el --- The package at a screen  -*- lexical-binding: t; -*-

;; Copyright (c) 2026 The Lanebridge authors
;; SPDX-License-Identifier: MIT

;;; Commentary:

;; What a person sees: tmux holds the screen, keys go in, text comes out.
;; usage: emacs --batch -l terminal.el -f lb-terminal PROGRAM LANEBRIDGE PACKAGE [FOLDER]
;; PROGRAM is the Emacs that is looked at.  With FOLDER its screens are rendered
;; to PNG files there, for docs/images.

;;; Code:

(require 'cl-lib)
(require 'json)
(require 'subr-x)

(defvar lb-here (file-name-directory (or load-file-name buffer-file-name)))
(defvar lb-top (expand-file-name "../../.." lb-here))
(defvar lb-patience (/ (string-to-number (or (getenv "LANEBRIDGE_PATIENCE_MS") "60000")) 1000.0))
(defvar lb-program nil "The Emacs that is looked at.")
(defvar lb-lanebridge nil "The server.")
(defvar lb-package nil "Where the package is.")
(defvar lb-pictures nil "Where pictures go, or nil.")
(defvar lb-dir nil "The folder of this screen.")
(defconst lb-width 136)
(defconst lb-height 40)

;;;; The screen

(defun lb-run-program (input program &rest arguments)
  "What PROGRAM says to INPUT with ARGUMENTS; an error if it fails."
  (with-temp-buffer
    (when input (insert input))
    (let ((code (apply #'call-process-region (point-min) (point-max) program t t nil arguments)))
      (unless (eq code 0)
        (error "%s %S: %s" program arguments (buffer-string)))
      (buffer-string))))

(defun lb-tmux (&rest arguments)
  "What tmux of this screen says to ARGUMENTS."
  (apply #'lb-run-program nil "tmux" "-S" (concat lb-dir "tmux") arguments))

(defun lb-screen ()
  "What is seen."
  (lb-tmux "capture-pane" "-p"))

(defun lb-press (&rest keys)
  "Press KEYS, as tmux names them."
  (apply #'lb-tmux "send-keys" keys))

(defun lb-type (text)
  "Type TEXT."
  (lb-tmux "send-keys" "-l" text))

(defun lb-see (part &optional gone)
  "Wait until PART is seen, or is not any more if GONE."
  (let ((until (+ (float-time) lb-patience)) text)
    (while (progn (setq text (lb-screen))
                  (eq (and (string-search part text) t) (and gone t)))
      (when (> (float-time) until)
        (error "Waited in vain for \"%s\"%s\n%s" part (if gone " to go" "") text))
      (sleep-for 0.03))
    text))

(defun lb-picture (name title)
  "Render what is seen as NAME, with TITLE, if pictures are wanted."
  (when lb-pictures
    (sleep-for 0.6)
    (lb-run-program (lb-tmux "capture-pane" "-p" "-e" "-N")
                    "/usr/bin/python3" (expand-file-name "../neovim/render" lb-here)
                    (expand-file-name (concat name ".png") lb-pictures) title
                    (number-to-string lb-width) (number-to-string lb-height)
                    (string-trim (lb-tmux "display-message" "-p"
                                          "#{cursor_x} #{cursor_y} #{cursor_flag}")))))

(defun lb-write (path text)
  "Write TEXT to PATH, for nobody else to read."
  (make-directory (file-name-directory path) t)
  (let ((coding-system-for-write 'utf-8-unix))
    (write-region text nil path nil 'quiet))
  (set-file-modes path #o600))

(defconst lb-init
  '((setq inhibit-startup-screen t make-backup-files nil auto-save-default nil
          frame-background-mode 'dark ring-bell-function #'ignore
          initial-scratch-message nil vc-follow-symlinks t
          confirm-kill-processes nil use-short-answers t)
    (menu-bar-mode -1)
    (line-number-mode 1)
    (setq-default truncate-lines t)
    (setq standard-display-table (make-display-table))
    (set-display-table-slot standard-display-table 'vertical-border ?│)
    (setq-default mode-line-format '(" %b %*  %l" mode-line-misc-info))
    (require 'lanebridge)
    (setq lanebridge-trusted t lanebridge-approval-dead-time 0.3)
    (global-set-key (kbd "C-c l") 'lanebridge-command-map)
    (lanebridge-global-mode))
  "What the person's init file has.")

(defun lb-set-up (replay wanted)
  "Make a copy of the small project, and an init file.
REPLAY is the recording.  WANTED may have :fields, for what a recording
wants in the file, and :init, more forms of the init file."
  (setq lb-dir (if lb-pictures "/tmp/try/" (file-name-as-directory (make-temp-file "lb" t))))
  (delete-directory lb-dir t)
  (let ((work (concat lb-dir "csvline")) (forms (append lb-init (plist-get wanted :init))))
    (dolist (name '("state" "home"))
      (make-directory (concat lb-dir name) t)
      (set-file-modes (concat lb-dir name) #o700))
    (copy-directory (concat lb-top "/tests/corpora/projects/csvline") work)
    (lb-run-program nil "git" "init" "-q" work)
    (when (plist-get wanted :fields)
      (lb-run-program nil "sed" "-i" "s/MAX_FIELDS = 4 /MAX_FIELDS = 16 /"
                      (concat work "/src/csvline.c")))
    (lb-write (concat lb-dir "config.json")
              (json-serialize (list :endpoint.url (concat "replay:" replay))))
    (lb-write (concat lb-dir "init.el")
              (mapconcat #'prin1-to-string
                         (append (list `(add-to-list 'load-path ,lb-package)
                                       `(setq lanebridge-command '(,lb-lanebridge "lsp")))
                                 forms)
                         "\n"))))

(defun lb-environment ()
  "What the Emacs that is looked at has in its environment."
  (list (concat "HOME=" lb-dir "home") (concat "LANEBRIDGE_STATE=" lb-dir "state")
        (concat "LANEBRIDGE_CONFIG=" lb-dir "config.json") "COLORTERM=truecolor"
        "LC_ALL=C.UTF-8"))

(defun lb-start (replay &rest wanted)
  "Open a copy of the small project in Emacs at a screen.
REPLAY and WANTED are as of `lb-set-up'."
  (lb-set-up replay wanted)
  (lb-write (concat lb-dir "tmux.conf")
            (concat "set -g default-terminal tmux-256color\nset -ga terminal-overrides ',*:Tc'\n"
                    "set -g status off\nset -g escape-time 0\nset -g remain-on-exit on\n"))
  (apply #'lb-tmux "-f" (concat lb-dir "tmux.conf") "new-session" "-d"
         "-x" (number-to-string lb-width) "-y" (number-to-string lb-height)
         "-c" (concat lb-dir "csvline")
         (append (cl-mapcan (lambda (one) (list "-e" one)) (lb-environment))
                 (list (format "%s -nw -l %sinit.el src/csvline.c" lb-program lb-dir))))
  (lb-see "take_quoted"))

(defun lb-replay (&rest steps)
  "A file with the recording of STEPS."
  (let ((file (make-temp-file "replay" nil ".jsonl")))
    (lb-write file (concat (mapconcat #'json-serialize steps "\n") "\n"))
    file))

(defun lb-end ()
  "Close the screen."
  (ignore-errors (lb-tmux "kill-server"))
  (unless lb-pictures
    (delete-directory lb-dir t)))

;;;; Felt speed

(defconst lb-clock
  '((defvar lb-times nil)
    (defvar lb-typed nil)
    (defun lb-now (name)
      (unless (assq name lb-times)
        (push (cons name (float-time)) lb-times)))
    (advice-add 'lanebridge-chat-send :before (lambda (&rest _) (lb-now 'asked)))
    (advice-add 'lanebridge-interrupt :before (lambda (&rest _) (lb-now 'stopped)))
    (advice-add 'lanebridge-approval--give :before (lambda (&rest _) (lb-now 'answered)))
    (with-eval-after-load 'lanebridge-view
      (advice-add 'lanebridge-view--flush :after
                  (lambda (&rest _)
                    (when (and (assq 'worded lb-times) (not (assq 'streamed lb-times)))
                      (run-at-time 0 nil (lambda () (redisplay) (lb-now 'streamed)))))))
    (add-hook 'lanebridge-hunk-changed-hook
              (lambda () (when (> (lanebridge-hunks-count) 0)
                           (run-at-time 0 nil (lambda () (redisplay) (lb-now 'painted))))))
    (add-hook 'lanebridge-state-functions
              (lambda (event _thread turn item)
                (when (eq event 'completed) (lb-now 'ended))
                (when (and item (equal (lanebridge-item-type item) "agentMessage"))
                  (lb-now 'worded))
                (when (and item (equal (lanebridge-item-type item) "commandExecution")
                           (lanebridge-item-done item))
                  (push (cons 'ran (- (float-time)
                                      (/ (lanebridge-item-get item :ranMs) 1000.0)))
                        lb-times))))
    (add-hook 'find-file-hook
              (lambda () (add-hook 'after-change-functions (lambda (&rest _) (lb-now 'edited)) nil t)))
    (add-hook 'post-self-insert-hook
              (lambda () (when (eq last-command-event ?x)
                           (redisplay) (push (cons (float-time) gc-elapsed) lb-typed))))
    (global-set-key (kbd "<f9>")
                    (lambda () (interactive)
                      (write-region (prin1-to-string (list lb-times (nreverse lb-typed))) nil
                                    (expand-file-name "~/clock") nil 'quiet))))
  "More of an init file, which writes times down.")

(defun lb-read-clock ()
  "What the clock of this screen says: times by their names, and of letters."
  (let ((file (concat lb-dir "home/clock")) (until (+ (float-time) lb-patience)))
    (ignore-errors (delete-file file))
    (lb-press "F9")
    (while (and (not (file-exists-p file)) (< (float-time) until))
      (sleep-for 0.02))
    (sleep-for 0.1)
    (with-temp-buffer
      (insert-file-contents file)
      (read (current-buffer)))))

(defvar lb-seen nil "What Emacs has written to its terminal, since a while.")

(defun lb-await (part)
  "Wait until Emacs has written PART to its terminal."
  (let ((until (+ (float-time) lb-patience)))
    (while (not (string-search part lb-seen))
      (when (> (float-time) until)
        (error "Waited in vain for \"%s\"" part))
      (accept-process-output nil 0.02))
    (setq lb-seen "")))

(defun lb-start-alone (replay &rest wanted)
  "As `lb-start' with REPLAY and WANTED, in a terminal of its own.
Nothing is between it and us, for what is to be measured."
  (lb-set-up replay wanted)
  (setq lb-seen "")
  (let* ((default-directory (concat lb-dir "csvline/"))
         (process-environment (append (lb-environment) '("TERM=linux") process-environment))
         (process (make-process :name "alone" :connection-type 'pty :noquery t
                                :coding 'utf-8-unix
                                :command (list lb-program "-nw" "-l" (concat lb-dir "init.el")
                                               "src/csvline.c")
                                :filter (lambda (_ text) (setq lb-seen (concat lb-seen text))))))
    (set-process-window-size process lb-height lb-width)
    (lb-await "take_quoted")
    process))

(defun lb-took (seen sent)
  "How many ms each key took that was SENT, sorted, from what the clock has SEEN.
First of the two lists Emacs's garbage collections are not counted."
  (let ((collected (cons (cdar seen) (mapcar #'cdr seen))) all own)
    (cl-mapc (lambda (key began before)
               (push (* 1000 (- (car key) began)) all)
               (push (- (car all) (* 1000 (- (cdr key) before))) own))
             seen sent collected)
    (list (sort own #'<) (sort all #'<))))

(defun lb-type-along (process count)
  "Type COUNT letters to PROCESS, one each 20 ms; give what `lb-took' says."
  (let (sent)
    (dotimes (_ count)
      (push (float-time) sent)
      (process-send-string process "x")
      (let ((until (+ (float-time) 0.02)))
        (while (< (float-time) until)
          (accept-process-output nil 0.002))
        (setq lb-seen "")))
    (process-send-string process "\e[20~") ; F9
    (let* ((file (concat lb-dir "home/clock")) (until (+ (float-time) lb-patience)))
      (while (and (not (file-exists-p file)) (< (float-time) until))
        (accept-process-output nil 0.05))
      (accept-process-output nil 0.1)
      (let ((seen (nth 1 (with-temp-buffer (insert-file-contents file) (read (current-buffer))))))
        (unless (= (length seen) count)
          (error "%d keys were typed, %d came" count (length seen)))
        (lb-took seen (nreverse sent))))))

(defun lb-measured (format &rest arguments)
  "Print FORMAT with ARGUMENTS as a measurement."
  (princ (concat "        measured: " (apply #'format format arguments) "\n")))

(defun lb-between (times from to)
  "Milliseconds between FROM and TO of TIMES."
  (if (and (alist-get from times) (alist-get to times))
      (* 1000 (- (alist-get to times) (alist-get from times)))
    -1))

(defun lb-long-answer ()
  "A recording whose answer comes as 16,000 characters a second, as 4,000 deltas would."
  (lb-replay '(:rollout "long" :match (:text "long"))
             `(:emit [(:type "message"
                       :text ,(apply #'concat
                                     (make-list 3000 "A line, with `code` and **words**.\n")))]
               :pace (:delta_ms 1 :chunk 16))))

(defun lb-measure-typing (in-file beside)
  "Type in the prompt, or in the file if IN-FILE.
An answer streams in meanwhile if BESIDE; else it is what Emacs takes by itself."
  (let ((process (lb-start-alone (lb-long-answer) :init lb-clock)))
    (unwind-protect
        (progn
          (process-send-string process "\C-cla")
          (lb-await "adds files")
          (when beside
            (process-send-string process "a long one\r")
            (lb-await "line, with"))
          (when in-file
            (process-send-string process "\C-xo"))
          (pcase-let ((`(,own ,took) (lb-type-along process 100)))
            (lb-measured (concat "typing in the %s beside %s: p50 %.1f ms, p95 %.1f ms"
                                 " (%.1f ms without Emacs's garbage collections)")
                         (if in-file "file" "prompt")
                         (if beside "4,000 deltas a second" "nothing")
                         (nth 50 took) (nth 95 took) (nth 95 own))))
      (delete-process process)
      (delete-directory lb-dir t))))

(defun lb-case-typing ()
  "Typing in the file and in the prompt while an answer streams in: no key is lost."
  (dolist (in-file '(t nil))
    (lb-measure-typing in-file nil)
    (lb-measure-typing in-file t)))

(defun lb-case-speed ()
  "From Enter to the first words, from edit to painted hunk, from answer to command, Stop."
  (lb-start (lb-replay '(:rollout "one" :match (:text "first"))
                       '(:emit [(:type "message" :text "I change it, and run it.")
                                (:type "custom_tool_call" :call "p" :name "apply_patch"
                                 :input "*** Begin Patch\n*** Update File: src/csvline.c\n@@\n-enum { MAX_FIELDS = 4 };\n+enum { MAX_FIELDS = 8 };\n*** End Patch")
                                (:type "function_call" :call "r" :name "exec_command"
                                 :arguments (:cmd "echo made" :escalate t
                                             :justification "to see how long it takes"))])
                       `(:emit [(:type "message"
                                 :text ,(apply #'concat (make-list 3000 "On and on. ")))]
                         :pace (:delta_ms 5 :chunk 8)))
            :init lb-clock)
  (lb-press "C-c" "l" "a")
  (lb-see "@ adds files")
  (lb-type "first")
  (lb-press "Enter")
  (lb-see "1 question")
  (lb-press "C-c" "l" "o")
  (lb-see "Accept this once")
  (sleep-for 0.6)
  (lb-press "a")
  (lb-see "On and on.")
  (lb-press "C-c" "C-k")
  (lb-see "stopped")
  (let ((times (car (lb-read-clock))))
    (lb-measured "Enter to the first words %.0f ms (recording, no model), edit to painted hunk %.0f ms"
                 (lb-between times 'asked 'streamed) (lb-between times 'edited 'painted))
    (lb-measured "answer to the command's start %.0f ms, Stop to input ready %.0f ms"
                 (lb-between times 'answered 'ran) (lb-between times 'stopped 'ended))))

;;;; Cases

(defconst lb-task "The doubled quote test fails: fix the parser and run the tests.")

(defun lb-case-turn ()
  "A whole turn: asked by keys, streamed, hunk accepted, undone."
  (lb-start (concat lb-top "/tests/corpora/replays/try.jsonl") :fields t)
  (lb-press "C-c" "l" "a")
  (lb-see "@ adds files")
  (lb-type lb-task)
  (lb-see "The doubled quote test fails")
  (lb-press "Enter")
  (lb-see "All six")
  (lb-press "C-x" "o")
  (lb-press "C-c" "l" "j")
  (lb-see "hunk")
  (lb-picture "emacs-turn" "emacs src/csvline.c")
  (lb-press "C-c" "l" "y")
  (lb-see "1 hunk" t)
  (lb-press "C-c" "l" "u")
  (lb-see "undone: src/csvline.c"))

(defun lb-case-approval ()
  "An approval: a badge, opened by a key, declined with a note."
  (lb-start
   (lb-replay '(:rollout "install" :match (:text "nstall"))
              '(:emit [(:type "message" :phase "commentary"
                        :text "It builds; what is left is to install it.")
                       (:type "function_call" :call "i" :name "exec_command"
                        :arguments (:cmd "make install" :escalate t
                                    :justification "it copies the program to /usr/local, which \
the sandbox keeps read-only"))])
              '(:emit [(:type "message" :text "Then I leave it in `build/` and say so in the README.")]
                :expect (:outputs (:i "to my home instead")))))
  (lb-press "C-c" "l" "a")
  (lb-see "@ adds files")
  (lb-type "Install it, please.")
  (lb-press "Enter")
  (lb-see "1 question")
  (lb-press "C-x" "o")
  (lb-press "C-c" "l" "o")
  (lb-see "Decline, and say what to do instead")
  (lb-picture "emacs-approval" "emacs src/csvline.c")
  (sleep-for 0.6)
  (lb-press "n")
  (lb-see "What should it do instead")
  (lb-type "to my home instead")
  (lb-press "Enter")
  (lb-see "say so in the README"))

(defun lb-case-menu ()
  "The menu opens, and a letter in it does what it says."
  (lb-start (lb-replay '(:rollout "x")))
  (lb-press "C-c" "l" "p")
  (lb-see "commit message")
  (lb-press "S")
  (lb-see "sandbox"))

(defun lb-terminal ()
  "Go through all cases; exit with 1 if one fails."
  (setq lb-program (pop command-line-args-left)
        lb-lanebridge (pop command-line-args-left)
        lb-package (pop command-line-args-left)
        lb-pictures (pop command-line-args-left))
  (let ((failed 0))
    (dolist (case (append '(lb-case-turn lb-case-approval lb-case-menu)
                          (unless lb-pictures '(lb-case-typing lb-case-speed))))
      (condition-case err
          (progn (funcall case)
                 (princ (format "ok      terminal: %s\n" (documentation case))))
        (error
         (setq failed (1+ failed))
         (princ (format "FAILED  terminal: %s\n%s\n" (documentation case)
                        (error-message-string err)))))
      (lb-end))
    (kill-emacs (if (> failed 0) 1 0))))

(provide 'terminal)
;;; terminal.el ends here
