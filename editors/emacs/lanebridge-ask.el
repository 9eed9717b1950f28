;;; lanebridge-ask.el --- Asking, and what goes along  -*- lexical-binding: t; -*-

;; Copyright (c) 2026 The Lanebridge authors
;; SPDX-License-Identifier: MIT

;;; Commentary:

;; Which conversation is meant, what goes along with a prompt, what becomes of
;; it while a turn runs; and asking about lines where they stand.

;;; Code:

(require 'cl-lib)
(require 'subr-x)
(require 'lanebridge-state)
(require 'lanebridge-sync)
(require 'lanebridge-editor)
(require 'lanebridge-mention)
(require 'lanebridge-render)

(declare-function lanebridge-chat-show "lanebridge-chat")
(declare-function lanebridge-chat-buffer "lanebridge-chat")
(declare-function lanebridge-view-turn-at-point "lanebridge-view")
(declare-function lanebridge-hunks-read "lanebridge-hunks")
(defvar lanebridge-view-thread)

(defvar-local lanebridge-chat-folder nil
  "The folder of this chat; nil if it has none.")

(defvar lanebridge-ask--current nil
  "Alist of folders and the ids of their conversations in use.")

;;;; Which conversation

(defun lanebridge-ask-folder ()
  "The folder that is meant here, or nil."
  (if lanebridge-view-thread lanebridge-chat-folder (lanebridge-root)))

(defun lanebridge-ask--folder-uri (folder)
  "FOLDER as a parameter, if there is one."
  (and folder (list :folder (lanebridge-file-uri (directory-file-name folder)))))

(defun lanebridge-ask-current (folder)
  "Id of the conversation in use in FOLDER, or nil."
  (cdr (assoc folder lanebridge-ask--current)))

(defun lanebridge-ask-set-current (folder id)
  "From now on the conversation ID is the one in use in FOLDER; nil: none."
  (setf (alist-get folder lanebridge-ask--current nil t #'equal) id)
  (when id
    (setq lanebridge-state-last id)))

(defun lanebridge-ask--current-here ()
  "For `lanebridge-current-thread-function'."
  (if lanebridge-view-thread
      (lanebridge-thread-id lanebridge-view-thread)
    (lanebridge-ask-current (lanebridge-ask-folder))))

(setq lanebridge-current-thread-function #'lanebridge-ask--current-here)

(defun lanebridge-ask-new-thread (folder callback)
  "Start a conversation in FOLDER; CALLBACK gets it."
  (lanebridge-request
   "lanebridge/thread/start" (lanebridge-ask--folder-uri folder)
   (lambda (result)
     (let ((thread (lanebridge-state-merge-thread (plist-get result :thread))))
       (setf (lanebridge-thread-loaded thread) t)
       (lanebridge-ask-set-current folder (lanebridge-thread-id thread))
       (funcall callback thread)))))

(defun lanebridge-ask-thread (folder callback)
  "Call CALLBACK with the conversation of FOLDER.
That is the one in use here, else the one used last, else a new one."
  (let ((current (lanebridge-ask-current folder)))
    (if current
        (funcall callback (lanebridge-state-thread current))
      (lanebridge-request
       "lanebridge/thread/list" (lanebridge-ask--folder-uri folder)
       (lambda (result)
         (let* ((threads (plist-get result :threads))
                (last (and (> (length threads) 0)
                           (lanebridge-state-merge-thread (elt threads 0)))))
           (if (or (not last) (lanebridge-thread-leased last))
               (lanebridge-ask-new-thread folder callback)
             (lanebridge-ask-set-current folder (lanebridge-thread-id last))
             (funcall callback last))))))))

(defun lanebridge-ask-with-thread (callback)
  "Call CALLBACK with the conversation that is meant here."
  (if lanebridge-view-thread
      (funcall callback lanebridge-view-thread)
    (lanebridge-ask-thread (lanebridge-ask-folder) callback)))

;;;; Turns

(defun lanebridge-ask--queued (result text)
  "Show that a prompt TEXT waits, if RESULT of what started it says so."
  (when (lanebridge-state-true-p (plist-get result :queued))
    (let* ((thread (lanebridge-state-thread (plist-get result :threadId)))
           (turn (lanebridge-state-turn thread (plist-get (plist-get result :turn) :id))))
      (when (eq (lanebridge-turn-status turn) 'queued)
        (setf (lanebridge-turn-text turn) text)
        (lanebridge-state-tell 'queue thread turn)))))

(defun lanebridge-ask-request (thread method params callback &optional error-callback)
  "Send METHOD with PARAMS, for CALLBACK and ERROR-CALLBACK, to THREAD's server.
That may be on another host than the current buffer."
  (let ((where (lanebridge-thread-where thread)))
    (if (equal where (lanebridge-state--where))
        (lanebridge-request method params callback error-callback)
      (with-temp-buffer
        (setq default-directory (if (string-empty-p where) "/" (concat where "/")))
        (lanebridge-request method params callback error-callback)))))

(defun lanebridge-ask-start (thread input &optional callback error-callback)
  "Start a turn of THREAD with INPUT, a list.
CALLBACK gets what turn/start answers, ERROR-CALLBACK its error."
  (lanebridge-ask-request
   thread "lanebridge/turn/start"
   (list :threadId (lanebridge-thread-id thread) :input (vconcat input))
   (lambda (result)
     (lanebridge-ask--queued result (or (plist-get (car input) :text) ""))
     (when callback (funcall callback result)))
   error-callback))

(defun lanebridge-ask-steer (thread input &optional callback error-callback)
  "Tell INPUT to what runs in THREAD.
If that has just ended, start a turn, with CALLBACK and ERROR-CALLBACK."
  (lanebridge-ask-request
   thread "lanebridge/turn/steer"
   (list :threadId (lanebridge-thread-id thread)
         :expectedTurnId (lanebridge-turn-id (lanebridge-thread-running thread))
         :input (vconcat input))
   (lambda (result) (when callback (funcall callback result)))
   (lambda (_) (lanebridge-ask-start thread input callback error-callback))))

(defun lanebridge-ask-input (text folder &optional region)
  "The input that TEXT is in FOLDER, with what it mentions and REGION.
REGION is (BEG . END) of the current buffer."
  (let ((file (if buffer-file-name
                  buffer-file-name
                (lanebridge-ask-file-beside))))
    (append (list (list :type "text" :text text))
            (lanebridge-mention-inputs text folder file)
            (and region (list (lanebridge-ask-selection (car region) (cdr region)))))))

(defun lanebridge-ask-file-beside ()
  "The file that was looked at last, or nil."
  (seq-some (lambda (buffer)
              (and (not (string-prefix-p " " (buffer-name buffer)))
                   (buffer-file-name buffer)))
            (buffer-list)))

(defun lanebridge-ask-in (thread input &optional queue callback error-callback)
  "Ask INPUT in THREAD.
While a turn runs there it is told, or INPUT waits if QUEUE.  CALLBACK
and ERROR-CALLBACK are those of the request."
  (if (and (lanebridge-thread-running thread) (not queue))
      (lanebridge-ask-steer thread input callback error-callback)
    (lanebridge-ask-start thread input callback error-callback)))

;;;; Places

(defun lanebridge-ask--lines (beg end)
  "The whole lines that BEG to END touch, as a cons."
  (save-excursion
    (cons (progn (goto-char beg) (line-beginning-position))
          (progn (goto-char end)
                 (if (and (bolp) (> end beg)) (point) (min (point-max) (1+ (line-end-position))))))))

(defun lanebridge-ask-region ()
  "The lines of the active region as a cons, or nil."
  (and (use-region-p) (lanebridge-ask--lines (region-beginning) (region-end))))

(defun lanebridge-ask-selection (beg end)
  "The text from BEG to END as an input."
  (list :type "selection" :uri (lanebridge-file-uri buffer-file-name)
        :range (lanebridge-range beg end)
        :text (buffer-substring-no-properties beg end)))

;;;; About lines, where they stand

(defvar lanebridge-ask--working nil
  "Overlays that say that a turn is at it, by the turn's id.")

(defun lanebridge-ask--show-working (turn-id buffer pos)
  "Say at POS of BUFFER that the turn TURN-ID is at it."
  (with-current-buffer buffer
    (save-excursion
      (goto-char pos)
      (let ((mark (make-overlay (line-end-position) (line-end-position))))
        (overlay-put mark 'after-string
                     (propertize (substitute-command-keys
                                  "  ◌ Lanebridge is at it · \\[lanebridge-interrupt] stops it")
                                 'face 'lanebridge-dim))
        (push (cons turn-id mark) lanebridge-ask--working)))))

(defun lanebridge-ask--outcome (turn)
  "Say in the echo area what came of TURN, unless it is seen in the file."
  (let ((items (lanebridge-turn-items turn)))
    (cond
     ((eq (lanebridge-turn-status turn) 'failed)
      (lanebridge-say "%s" (or (lanebridge-turn-error turn) "it failed")))
     ((and (eq (lanebridge-turn-status turn) 'completed)
           (not (seq-some (lambda (item) (equal (lanebridge-item-type item) "fileChange"))
                          items)))
      (let ((said (seq-find (lambda (item) (equal (lanebridge-item-type item) "agentMessage"))
                            (reverse items))))
        (when said
          (lanebridge-say "%s" (lanebridge-render-clip (lanebridge-item-get said :text)
                                                       (- (frame-width) 14)))))))))

(defun lanebridge-ask--ended (event _thread turn _item)
  "Take the mark of TURN away, if EVENT says that it has ended."
  (when (and turn (eq event 'completed))
    (let ((mark (assoc (lanebridge-turn-id turn) lanebridge-ask--working)))
      (when mark
        (delete-overlay (cdr mark))
        (setq lanebridge-ask--working (delq mark lanebridge-ask--working))
        (lanebridge-ask--outcome turn)))))

(add-hook 'lanebridge-state-functions #'lanebridge-ask--ended)

(defun lanebridge-ask--wish (lines prompt)
  "Argument of a command about LINES, with PROMPT if it is not nil."
  (let ((current (lanebridge-ask-current (lanebridge-ask-folder))))
    (append (list :uri (lanebridge-file-uri buffer-file-name)
                  :range (lanebridge-range (car lines) (cdr lines)))
            (and prompt (list :prompt prompt))
            (and current (list :threadId current)))))

(defun lanebridge-ask--run (command wish last)
  "Have COMMAND run with WISH; what it works at ends at LAST."
  (let ((buffer (current-buffer))
        (folder (lanebridge-ask-folder)))
    (lanebridge-execute
     command wish
     (lambda (result)
       (let ((id (plist-get result :threadId)) (turn-id (plist-get result :turnId)))
         (when (and id turn-id)
           (lanebridge-ask-set-current folder id)
           (let ((turn (lanebridge-state-find-turn (lanebridge-state-thread id) turn-id)))
             (unless (and turn (lanebridge-state-ended-p turn))
               (lanebridge-ask--show-working turn-id buffer last)))))))))

(defun lanebridge-ask--need-file ()
  "Signal an error where there is no file."
  (unless buffer-file-name
    (user-error "Lanebridge: this buffer has no file; `lanebridge-chat' asks without one")))

;;;###autoload
(defun lanebridge-edit-here (beg end prompt)
  "Change the lines from BEG to END as PROMPT says; the diff appears in place.
Interactively those of the region, else that of point."
  (interactive
   (progn
     (lanebridge-ask--need-file)
     (let ((lines (or (lanebridge-ask-region) (lanebridge-ask--lines (point) (point)))))
       (list (car lines) (cdr lines)
             (read-string (let ((count (count-lines (car lines) (cdr lines))))
                            (if (= count 1)
                                "Edit this line: "
                              (format "Edit these %d lines: " count))))))))
  (let ((prompt (string-trim prompt)))
    (unless (string-empty-p prompt)
      (deactivate-mark)
      (lanebridge-ask--run "edit" (lanebridge-ask--wish (cons beg end) prompt) (max beg (1- end))))))

;;;###autoload
(defun lanebridge-explain ()
  "Explain the region, or the file, in the chat."
  (interactive)
  (lanebridge-ask--need-file)
  (let ((folder (lanebridge-ask-folder)))
    (lanebridge-execute
     "explain" (lanebridge-ask--wish (or (lanebridge-ask-region)
                                         (cons (point-min) (point-max)))
                                     nil)
     (lambda (result)
       (when (plist-get result :threadId)
         (lanebridge-ask-set-current folder (plist-get result :threadId))
         (lanebridge-chat-show (lanebridge-state-thread (plist-get result :threadId)) folder))))))

;;;###autoload
(defun lanebridge-fix ()
  "Fix what is reported of the region, or of the line at point."
  (interactive)
  (lanebridge-ask--need-file)
  (let* ((lines (or (lanebridge-ask-region) (lanebridge-ask--lines (point) (point))))
         (found (lanebridge-diagnostics-here (car lines) (cdr lines))))
    (if (not found)
        (lanebridge-say "%s" (substitute-command-keys "nothing is reported here; \
\\[lanebridge-edit-here] changes these lines all the same"))
      (deactivate-mark)
      (lanebridge-ask--run "fix" (append (lanebridge-ask--wish lines nil)
                                         (list :diagnostics (vconcat found)))
                           (max (car lines) (1- (cdr lines)))))))

;;;; Stop, undo

;;;###autoload
(defun lanebridge-interrupt ()
  "Stop the turn that runs: of this chat, else that heard of last."
  (interactive)
  (let ((thread (if (and lanebridge-view-thread
                         (lanebridge-thread-running lanebridge-view-thread))
                    lanebridge-view-thread
                  (lanebridge-state-busy))))
    (if (not thread)
        (lanebridge-say "nothing runs")
      (lanebridge-ask-request thread "lanebridge/turn/interrupt"
                              (list :threadId (lanebridge-thread-id thread)) #'ignore))))

(defconst lanebridge-ask--outcomes
  '(("done" . "as before")
    ("conflict" . "not: you changed the same lines")
    ("notUndoable" . "cannot be undone")
    ("keptUserChanges" . "as before, with your later changes"))
  "What became of a file, in words.")

(defun lanebridge-ask--undone (verb files)
  "Say that VERB has been done to FILES."
  (if (= (length files) 0)
      (lanebridge-say "nothing to %s" verb)
    (lanebridge-say "%sne: %s" verb
                    (mapconcat (lambda (file)
                                 (let ((text (or (plist-get file :text) ""))
                                       (outcome (plist-get file :outcome)))
                                   (format "%s: %s" (plist-get file :path)
                                           (if (string-empty-p text)
                                               (or (cdr (assoc outcome lanebridge-ask--outcomes))
                                                   outcome)
                                             text))))
                               files "; "))))

(defun lanebridge-ask--undo (verb)
  "Do VERB, undo or redo, to the turn at point in a chat, else to the last one."
  (let ((turn (and lanebridge-view-thread (lanebridge-view-turn-at-point))))
    (lanebridge-ask-with-thread
     (lambda (thread)
       (lanebridge-request
        (concat "lanebridge/turn/" verb)
        (append (list :threadId (lanebridge-thread-id thread))
                (and turn (lanebridge-state-ended-p turn)
                     (list :turnId (lanebridge-turn-id turn))))
        (lambda (result)
          (lanebridge-ask--undone verb (plist-get result :files))
          (when (fboundp 'lanebridge-hunks-read)
            (lanebridge-hunks-read (lanebridge-thread-id thread)))))))))

;;;###autoload
(defun lanebridge-undo-turn ()
  "Undo the last turn, or in a chat that at point; what you did since stays."
  (interactive)
  (lanebridge-ask--undo "undo"))

;;;###autoload
(defun lanebridge-redo-turn ()
  "Do an undone turn again."
  (interactive)
  (lanebridge-ask--undo "redo"))

(provide 'lanebridge-ask)
;;; lanebridge-ask.el ends here
